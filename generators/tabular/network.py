"""The network of the autoregressive model: predicts each column's code from those before it. Knows codes, no values.

As in TabularARGN (Tiwald et al. 2025, arXiv 2501.12012), each column has an embedding and a small network of its own,
which reads the embeddings of the columns before it. Column 0 is the class.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_WAVES = 8
"""Cosines over the codes of a smooth column, through which neighbouring codes learn from one another."""


class Network(nn.Module):
    """Predicts the code of each column but the first.

    `sizes` holds the number of codes of each column, `smooth` whether its codes are ordered, both with the class first.
    """

    def __init__(
        self, sizes: Sequence[int], smooth: Sequence[bool], *, hidden: int, embedding: int, dropout: float
    ) -> None:
        super().__init__()
        self.sizes = list(sizes)
        widths = [min(embedding, max(2, int(2 * math.sqrt(size)))) for size in sizes]
        self.embed = nn.ModuleList(_embedding(size, width) for size, width in zip(sizes, widths, strict=True))
        self._waved = [flag and size > _WAVES for size, flag in zip(sizes, smooth, strict=True)]
        for column, size in enumerate(sizes):
            if self._waved[column]:
                self.register_buffer(f"waves{column}", _waves(size), persistent=False)
        self.embed_waves = nn.ModuleDict(
            {
                str(column): nn.Linear(_WAVES, widths[column], bias=False)
                for column in range(len(sizes))
                if self._waved[column]
            }
        )
        later = range(1, len(sizes))
        self.hidden = nn.ModuleList(nn.Linear(sum(widths[:column]), hidden) for column in later)
        self.out = nn.ModuleList(nn.Linear(hidden, sizes[column]) for column in later)
        self.out_waves = nn.ModuleDict(
            {str(column): nn.Linear(hidden, _WAVES) for column in later if self._waved[column]}
        )
        self.dropout = nn.Dropout(dropout)

    def start_at(self, codes: Tensor) -> None:
        """Set the biases to the frequencies of the codes, so that the first steps are not spent on them."""
        with torch.no_grad():
            for column, layer in enumerate(self.out, 1):
                assert isinstance(layer, nn.Linear)  # noqa: S101 (a list of modules does not say of which kind)
                counts = torch.bincount(codes[:, column], minlength=self.sizes[column]) + 0.5
                nn.init.zeros_(layer.weight)
                layer.bias.copy_(torch.log(counts / counts.sum()))

    def forward(self, codes: Tensor) -> Tensor:
        """Return the negative log likelihood of each row of codes (rows, columns), given its class."""
        seen = [self._embed_codes(column, codes[:, column]) for column in range(len(self.sizes) - 1)]
        losses = [
            functional.cross_entropy(
                self._scores(column, torch.cat(seen[:column], 1)), codes[:, column], reduction="none"
            )
            for column in range(1, len(self.sizes))
        ]
        return torch.stack(losses, 1).sum(1)

    @torch.no_grad()
    def sample(
        self, stratum: int, given: Mapping[int, int], zeros: Mapping[tuple[int, int], Tensor], draws: Tensor
    ) -> Tensor:
        """Return one row of codes of the class `stratum` for each row of `draws` (rows, columns; float32 of 0 to 1).

        `given` fixes the codes of the first columns. `zeros` marks the pairs of codes of two columns that never occur
        together.
        """
        codes = torch.empty(draws.shape, dtype=torch.int64)
        codes[:, 0] = stratum
        seen = [self._embed_codes(0, codes[:, 0])]
        for column in range(1, len(self.sizes)):
            if column in given:
                codes[:, column] = given[column]
            else:
                chances = torch.softmax(self._scores(column, torch.cat(seen, 1)), 1)
                chances = _without_zeros(chances, codes, column, zeros)
                codes[:, column] = _draw_codes(chances, draws[:, column])
            if column < len(self.sizes) - 1:
                seen.append(self._embed_codes(column, codes[:, column]))
        return codes

    def _embed_codes(self, column: int, codes: Tensor) -> Tensor:
        vectors: Tensor = self.embed[column](codes)
        if self._waved[column]:
            vectors = vectors + self.embed_waves[str(column)](getattr(self, f"waves{column}")[codes])
        return vectors

    def _scores(self, column: int, seen: Tensor) -> Tensor:
        hidden = self.dropout(functional.relu(self.hidden[column - 1](seen)))
        scores: Tensor = self.out[column - 1](hidden)
        if self._waved[column]:
            scores = scores + self.out_waves[str(column)](hidden) @ getattr(self, f"waves{column}").T
        return scores


def _embedding(size: int, width: int) -> nn.Embedding:
    layer = nn.Embedding(size, width)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(width))
    return layer


def _waves(size: int) -> Tensor:
    """Return float32 (size, _WAVES): cosines of rising frequency over the codes."""
    positions = (torch.arange(size) + 0.5) / size
    return math.sqrt(2) * torch.cos(math.pi * positions[:, None] * torch.arange(1, _WAVES + 1))


def _without_zeros(chances: Tensor, codes: Tensor, column: int, zeros: Mapping[tuple[int, int], Tensor]) -> Tensor:
    """Return the chances without codes that never occur beside those before; unchanged where none would be left."""
    left = chances
    for (before, after), marked in zeros.items():
        if after == column:
            left = left.masked_fill(marked[codes[:, before]], 0)
    return torch.where(left.sum(1, keepdim=True) > 0, left, chances)


def _draw_codes(chances: Tensor, draws: Tensor) -> Tensor:
    """Return a code for each row of chances (which need not add up to 1), by inversion."""
    total = chances.cumsum(1)
    codes = torch.searchsorted(total, draws[:, None] * total[:, -1:], right=True)[:, 0]
    return codes.clamp(max=chances.shape[1] - 1)
