"""Makes OpenLineage's events of a run (https://openlineage.io/docs/spec/object-model). Sends nothing.

Datasets are named by OpenLineage's conventions (https://openlineage.io/docs/spec/naming): by their path, without
credentials. Versions of a dataset have one name, and differ in their `version` facet.
"""

import os
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, RunEvent, RunState, set_producer
from openlineage.client.event_v2 import Run as LineageRun
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    datasource_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    storage_dataset,
)
from prefect.runtime import deployment, flow_run

from flows.progress import Build
from pipelines.report.croissant import MEANING
from pipelines.storage.folder import is_uri
from schemas.arrow import dataset_schema
from schemas.errors import MakeweightError
from schemas.manifest import Manifest
from schemas.plan import Column
from schemas.secrets import redacted

NAMESPACE = "OPENLINEAGE_NAMESPACE"
"""The environment variable with the namespace of jobs, which OpenLineage's other integrations use too."""
Name = tuple[str, str]


class RunEvents:
    """Makes the events of one run."""

    def __init__(self, build: Build) -> None:
        set_producer(f"urn:makeweight:{version('makeweight')}")
        self._build, self._plan = build, build.plan
        self._job_namespace = os.environ.get(NAMESPACE) or "makeweight"
        self._source = _dataset_name(self._plan.profile.path)
        self._output = _dataset_name((build.workspace.series or build.output).path)
        self._parent = _parent(self._job_namespace)  # read here, since only the flow's own thread knows it

    def start(self) -> RunEvent:
        """Return the event of the start of the run, with its source and its output."""
        return self._event(RunState.START, outputs=[OutputDataset(*self._output)])

    def complete(self, manifest: Manifest) -> RunEvent:
        """Return the event of a published dataset."""
        return self._event(RunState.COMPLETE, outputs=[self._published(manifest)])

    def fail(self, error: Exception) -> RunEvent:
        """Return the event of a run that failed."""
        explained = isinstance(error, MakeweightError)
        trace = None if explained else redacted("".join(traceback.format_exception(error)))
        facet = error_message_run.ErrorMessageRunFacet(redacted(str(error)) or type(error).__name__, "PYTHON", trace)
        return self._event(RunState.FAIL, {"errorMessage": facet})

    def abort(self, run: str | None = None) -> RunEvent:
        """Return the event of this run, or of an earlier run of that id, which was stopped."""
        return self._event(RunState.ABORT, run=run)

    def _event(
        self,
        state: RunState,
        facets: dict[str, Any] | None = None,
        outputs: list[OutputDataset] | None = None,
        run: str | None = None,
    ) -> RunEvent:
        own = {} if run else self._parent  # another run's parent is not known
        return RunEvent(
            eventTime=datetime.now(UTC).isoformat(),
            eventType=state,
            run=LineageRun(run or self._build.id, {**own, **_engine(), **(facets or {})}),
            job=Job(self._job_namespace, self._plan.name, {"jobType": _job_type()}),
            inputs=[self._read()],
            outputs=outputs or [],
        )

    def _read(self) -> InputDataset:
        profile = self._plan.profile
        rows = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=profile.rows, size=profile.bytes, fileCount=len(profile.files)
        )
        facets = {
            "schema": _schema([(column.name, column.type, None) for column in profile.columns]),
            "dataSource": _data_source(self._source, profile.path),
            "storage": storage_dataset.StorageDatasetFacet(storageLayer="file", fileFormat=profile.format),
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(profile.fingerprint),
        }
        return InputDataset(*self._source, facets=facets, inputFacets={"inputStatistics": rows})

    def _published(self, manifest: Manifest) -> OutputDataset:
        fields = [(f.name, str(f.type), MEANING.get(f.name)) for f in dataset_schema(manifest.columns)]
        written = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=manifest.rows, size=sum(one.bytes for one in manifest.shards), fileCount=len(manifest.shards)
        )
        facets = {
            "schema": _schema(fields),
            "dataSource": _data_source(self._output, self._build.output.path),
            "storage": storage_dataset.StorageDatasetFacet(storageLayer="file", fileFormat="parquet"),
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(manifest.content_hash),
            "columnLineage": self._column_lineage(manifest),
        }
        return OutputDataset(*self._output, facets=facets, outputFacets={"outputStatistics": written})

    def _column_lineage(self, manifest: Manifest) -> column_lineage_dataset.ColumnLineageDatasetFacet:
        """Return the sources of all columns: the source's column of that name, and the columns in `by`."""
        chosen = column_lineage_dataset.Transformation("INDIRECT", "FILTER", "classes are balanced by it")
        return column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={column.name: self._from(column, manifest) for column in manifest.columns},
            dataset=[self._field(name, chosen) for name in manifest.by if name in self._source_columns],
        )

    def _from(self, column: Column, manifest: Manifest) -> column_lineage_dataset.Fields:
        kept = column_lineage_dataset.Transformation("DIRECT", "IDENTITY", "real rows, as they are")
        how = f"{manifest.origin} rows, made by {manifest.generator}"
        made = column_lineage_dataset.Transformation("DIRECT", "TRANSFORMATION", how)
        return column_lineage_dataset.Fields([self._field(column.name, kept, made)])

    def _field(self, name: str, *how: column_lineage_dataset.Transformation) -> column_lineage_dataset.InputField:
        return column_lineage_dataset.InputField(*self._source, field=name, transformations=list(how))

    @property
    def _source_columns(self) -> set[str]:
        return {column.name for column in self._plan.profile.columns}


def _dataset_name(path: str) -> Name:
    """Return the namespace and the name of the dataset at a path or URI."""
    if not is_uri(path):
        return "file", os.path.abspath(path)
    parts = urlsplit(path)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.path.strip("/") or "/"


def _schema(fields: Sequence[tuple[str, str, str | None]]) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        [
            schema_dataset.SchemaDatasetFacetFields(name, kind, meaning, ordinal_position=position)
            for position, (name, kind, meaning) in enumerate(fields, start=1)
        ]
    )


def _data_source(name: Name, path: str) -> datasource_dataset.DatasourceDatasetFacet:
    address = redacted(path) if is_uri(path) else f"file://{os.path.abspath(path)}"
    return datasource_dataset.DatasourceDatasetFacet(name[0], address)


def _job_type() -> job_type_job.JobTypeJobFacet:
    return job_type_job.JobTypeJobFacet(processingType="BATCH", integration="MAKEWEIGHT", jobType="JOB")


def _engine() -> dict[str, Any]:
    ours, openlineage = version("makeweight"), version("openlineage-python")
    return {"processing_engine": processing_engine_run.ProcessingEngineRunFacet(ours, "makeweight", openlineage)}


def _parent(namespace: str) -> dict[str, Any]:
    """Return the facets of Prefect's flow run that this run is part of, and of its scheduled time."""
    if not flow_run.id:
        return {}
    parent = parent_run.ParentRunFacet(
        run=parent_run.Run(str(flow_run.id)), job=parent_run.Job(namespace, deployment.name or flow_run.flow_name)
    )
    when = flow_run.scheduled_start_time
    return {"parent": parent, "nominalTime": nominal_time_run.NominalTimeRunFacet(when.isoformat())}
