"""The web page over all builds of a folder: one static file that shows the manifest of each build."""

from pipelines.report.site.publish import Site, write_site

__all__ = ["Site", "write_site"]
