"""The web page over all builds of a folder: one static file, which says of each build what its manifest says."""

from pipelines.report.site.publish import Site, write_site

__all__ = ["Site", "write_site"]
