"""Cuts the endless stream of a class's candidates into chunks: their size, and the request for each."""

from pipelines.plan.seeds import derive_seed
from schemas.plan import Plan, SampleRequest, Stratum


def chunk_rows(make: int, least: int, most: int) -> int:
    """Return how many candidates one request holds, for a class that needs `make` rows.

    It is a thirty-second of `make`, so that many actors can share one class, but from `least` to `most`, since each
    call of the generator has a cost. It does not depend on the number of actors, since chunks decide the rows.
    """
    return min(most, max(least, -(-make // 32)))


def stream_seed(plan: Plan) -> int:
    """Return the seed of the plan's streams; a version that continues another one gets other candidates."""
    base = plan.continues
    return derive_seed(plan.seed, "continues", base.content_hash) if base else plan.seed


def chunk_request(seed: int, stratum: Stratum, chunk: int) -> SampleRequest:
    """Return chunk `chunk` of the stratum's stream."""
    request_seed = derive_seed(seed, "sample", stratum.name, chunk)
    return SampleRequest(stratum=stratum.name, chunk=chunk, rows=stratum.chunk_rows, seed=request_seed)
