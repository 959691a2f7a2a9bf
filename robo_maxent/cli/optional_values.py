"""How the command line reads an option that may be left out: nobody has to write None.

tyro takes ``X | None`` for a choice of two types, and so lists the word None among the values that
it expects. Here it is an X, which is unset where nothing is said.
"""

from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args

from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    UnsupportedTypeAnnotationError,
)

UNSET = "unset"
"""How help calls the default of an option that may be left out."""
REGISTRY = ConstructorRegistry()
"""What tyro has to be given to read options so."""


@REGISTRY.primitive_rule
def _or_left_out(
    info: PrimitiveTypeInfo,
) -> PrimitiveConstructorSpec[Any] | UnsupportedTypeAnnotationError | None:
    """The values of X for ``X | None``; None: it is another type."""
    present = tuple(each for each in get_args(info.type) if each is not NoneType)
    if info.type_origin not in (Union, UnionType) or present == get_args(info.type):
        return None
    value = cast(Any, Union[present])  # noqa: UP007  # of as many types as there are
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(value, info.markers))
    if isinstance(spec, UnsupportedTypeAnnotationError):
        return spec
    return replace(
        spec,
        is_instance=lambda given: given is None or spec.is_instance(given),
        str_from_instance=lambda given: [UNSET] if given is None else spec.str_from_instance(given),
    )
