"""The network of the autoregressive model: each column's code from those before it. Knows codes alone, no values.

As TabularARGN (Tiwald et al. 2025, arXiv 2501.12012): an embedding for each column, and for each a small network of its
own, which sees the embeddings of the columns before it. Column 0 is the class.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_WAVES = 8
"""Cosines over the codes of a smooth column: through them neighbouring codes learn from one another."""


class Network(nn.Module):
    """Predicts the code of each column but the first; `sizes` are the codes of each, `smooth` whether they are ordered.

    Both hold one entry a column, the class's first.
    """

    def __init__(
        self, sizes: Sequence[int], smooth: Sequence[bool], *, hidden: int, embedding: int, dropout: float
    ) -> None:
        super().__init__()
        self.sizes = list(sizes)
        widths = [min(embedding, max(2, int(2 * math.sqrt(size)))) for size in sizes]
        self.embed = nn.ModuleList(_embedding(size, width) for size, width in zip(sizes, widths, strict=True))
        self._waved = [flag and size > _WAVES for size, flag in zip(sizes, smooth, strict=True)]
        for place, size in enumerate(sizes):
            if self._waved[place]:
                self.register_buffer(f"waves{place}", _waves(size), persistent=False)
        self.embed_waves = nn.ModuleDict(
            {
                str(place): nn.Linear(_WAVES, widths[place], bias=False)
                for place in range(len(sizes))
                if self._waved[place]
            }
        )
        later = range(1, len(sizes))
        self.hidden = nn.ModuleList(nn.Linear(sum(widths[:place]), hidden) for place in later)
        self.out = nn.ModuleList(nn.Linear(hidden, sizes[place]) for place in later)
        self.out_waves = nn.ModuleDict({str(place): nn.Linear(hidden, _WAVES) for place in later if self._waved[place]})
        self.dropout = nn.Dropout(dropout)

    def start_at(self, codes: Tensor) -> None:
        """Begin with the codes' own frequencies, so that the first steps are not spent on them."""
        with torch.no_grad():
            for place, layer in enumerate(self.out, 1):
                assert isinstance(layer, nn.Linear)  # noqa: S101 (a list of modules does not say of which kind)
                counts = torch.bincount(codes[:, place], minlength=self.sizes[place]) + 0.5
                nn.init.zeros_(layer.weight)
                layer.bias.copy_(torch.log(counts / counts.sum()))

    def forward(self, codes: Tensor) -> Tensor:
        """Return the negative log likelihood of each row of codes (rows, columns), given its first."""
        seen = [self._embedded(place, codes[:, place]) for place in range(len(self.sizes) - 1)]
        losses = [
            functional.cross_entropy(self._scores(place, torch.cat(seen[:place], 1)), codes[:, place], reduction="none")
            for place in range(1, len(self.sizes))
        ]
        return torch.stack(losses, 1).sum(1)

    @torch.no_grad()
    def sample(
        self, stratum: int, given: Mapping[int, int], zeros: Mapping[tuple[int, int], Tensor], draws: Tensor
    ) -> Tensor:
        """Return one row of codes for each row of `draws` (rows, columns; float32 of 0 to 1), of the class `stratum`.

        `given` fixes the codes of the first columns; `zeros` marks (of two columns, by their codes) what never stands
        together.
        """
        codes = torch.empty(draws.shape, dtype=torch.int64)
        codes[:, 0] = stratum
        seen = [self._embedded(0, codes[:, 0])]
        for place in range(1, len(self.sizes)):
            if place in given:
                codes[:, place] = given[place]
            else:
                chances = torch.softmax(self._scores(place, torch.cat(seen, 1)), 1)
                chances = _without_zeros(chances, codes, place, zeros)
                codes[:, place] = _draw(chances, draws[:, place])
            if place < len(self.sizes) - 1:
                seen.append(self._embedded(place, codes[:, place]))
        return codes

    def _embedded(self, place: int, codes: Tensor) -> Tensor:
        found: Tensor = self.embed[place](codes)
        if self._waved[place]:
            found = found + self.embed_waves[str(place)](getattr(self, f"waves{place}")[codes])
        return found

    def _scores(self, place: int, seen: Tensor) -> Tensor:
        hidden = self.dropout(functional.relu(self.hidden[place - 1](seen)))
        scores: Tensor = self.out[place - 1](hidden)
        if self._waved[place]:
            scores = scores + self.out_waves[str(place)](hidden) @ getattr(self, f"waves{place}").T
        return scores


def _embedding(size: int, width: int) -> nn.Embedding:
    layer = nn.Embedding(size, width)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(width))
    return layer


def _waves(size: int) -> Tensor:
    """Return float32 (size, _WAVES): cosines of rising frequency over the codes."""
    at = (torch.arange(size) + 0.5) / size
    return math.sqrt(2) * torch.cos(math.pi * at[:, None] * torch.arange(1, _WAVES + 1))


def _without_zeros(chances: Tensor, codes: Tensor, place: int, zeros: Mapping[tuple[int, int], Tensor]) -> Tensor:
    """Return the chances without codes that never stand beside those before; unchanged where none would be left."""
    left = chances
    for (before, after), marked in zeros.items():
        if after == place:
            left = left.masked_fill(marked[codes[:, before]], 0)
    return torch.where(left.sum(1, keepdim=True) > 0, left, chances)


def _draw(chances: Tensor, draws: Tensor) -> Tensor:
    """Return a code for each row of chances (which need not add up to 1), by inversion."""
    total = chances.cumsum(1)
    places = torch.searchsorted(total, draws[:, None] * total[:, -1:], right=True)[:, 0]
    return places.clamp(max=chances.shape[1] - 1)
