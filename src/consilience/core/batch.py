"""The narrow types that travel between the parts: Sample, Tokens, Batch, Fused, Output.

Knows no modality, no fusion and no task; holds NumPy arrays outside models and torch tensors inside them.

Shape legend: B rows of a batch, U distinct cells of one input in it, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Array = Any
"""A numpy.ndarray or a torch.Tensor: these types only carry it."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row: inputs by *name*. A missing key, or None, is a missing value."""

    inputs: Mapping[str, Any]
    target: Any = None
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What every modality becomes: values [U, T, ...] and mask [U, T].

    Padding and missing are the same thing, mask False; a missing cell is a row whose mask is all False.
    """

    values: Array
    mask: Array

    @property
    def present(self) -> Array:
        """[U] bool: which cells have at least one real token."""
        return self.mask.any(1)

    def take(self, cells: Array) -> Tokens:
        """The chosen cells, repeats allowed: what distinct cells become when rows ask for theirs."""
        return Tokens(values=self.values[cells], mask=self.mask[cells])

    def map(self, change: Callable[[Array], Array]) -> Tokens:
        return Tokens(values=change(self.values), mask=change(self.mask))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B rows over distinct cells: row b of input n holds cell `cells[n][b]` of `inputs[n]`.

    Encoders see the U distinct cells, fusion sees the B rows, so a cell that many rows share is encoded once.
    """

    inputs: Mapping[str, Tokens]
    cells: Mapping[str, Array]
    target: Array | None = None
    ids: tuple[str, ...] = ()

    def map(self, change: Callable[[Array], Array]) -> Batch:
        """Apply `change` to every array: to a device, to another library, pinned."""
        return Batch(
            inputs={name: tokens.map(change) for name, tokens in self.inputs.items()},
            cells={name: change(index) for name, index in self.cells.items()},
            target=None if self.target is None else change(self.target),
            ids=self.ids,
        )


@dataclass(frozen=True, kw_only=True)
class Fused:
    """What a fusion hands to a task: pooled [B, D]; where the fusion has them, tokens, the vector of each input
    [B, D] and how much each input counted [B]."""

    pooled: Array
    tokens: Tokens | None = None
    by_input: Mapping[str, Array] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a head hands to loss, decode and export: named tensors [B, ...]; the names are the task's."""

    values: Mapping[str, Array]


_STATIC: dict[type, tuple[str, ...]] = {Batch: ("ids",)}


def register_pytrees() -> None:
    """Teach torch to look inside these types (FSDP, torch.export and torch.func see an opaque leaf otherwise).

    Called by `consilience.models` and `consilience.fusion` when they are imported; doing it twice is harmless.
    """
    from torch.utils import _pytree as pytree

    for cls in (Tokens, Batch, Fused, Output):
        if cls in pytree.SUPPORTED_NODES:
            continue
        static = _STATIC.get(cls, ())
        moving = tuple(f.name for f in fields(cls) if f.name not in static)

        def flatten(value: Any, moving: tuple[str, ...] = moving, static: tuple[str, ...] = static) -> Any:
            # Mappings travel as plain dicts: torch knows those, and a proxy of one it does not.
            children = [dict(v) if isinstance(v := getattr(value, name), Mapping) else v for name in moving]
            return children, tuple(getattr(value, name) for name in static)

        def flatten_with_keys(value: Any, moving: tuple[str, ...] = moving, flatten: Any = flatten) -> Any:
            children, context = flatten(value)
            return [(pytree.GetAttrKey(k), v) for k, v in zip(moving, children, strict=True)], context

        def unflatten(children: Any, context: Any, cls: Any = cls, moving: Any = moving, static: Any = static) -> Any:
            return cls(**dict(zip(moving, children, strict=True)), **dict(zip(static, context, strict=True)))

        pytree.register_pytree_node(
            cls,
            flatten,
            unflatten,
            serialized_type_name=f"consilience.{cls.__name__}",
            flatten_with_keys_fn=flatten_with_keys,
        )
