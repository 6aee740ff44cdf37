"""Rewrites a module so that it tells of what threads can share.

``a.b`` becomes ``SITE.read(a).b``: only the operand is wrapped, the operation stays what it was, on
its line and column. ``SITE`` is first a string constant (so that the code can be marshalled into
the cache) and becomes a `Place` of `ftstress.sites` when the code is loaded (`bind`).

Left alone: annotations, match patterns, names with two underscores at both ends, local variables,
and globals that no function of the module assigns. Must never change what the code does, and so
never works anything out twice that could have an effect.
"""

import ast
import json
from types import CodeType
from typing import Any, Final

from ftstress import events, sites
from ftstress.transformer import MARK, Rewriter

VERSION: Final = 2  # part of the cache's key: to be raised with every change of what is told
_SPACES: Final = {
    "AttributeSite": events.ATTRIBUTE,
    "ItemSite": events.ITEM,
    "MethodSite": events.ITEM,
    "ScanSite": events.ITEM,
    "GlobalSite": events.GLOBAL,
    "CellSite": events.CELL,
}


def rewrite(source: str | bytes, filename: str) -> CodeType:
    """The module's code with markers where `bind` puts sites. Raises SyntaxError as compile()."""
    tree = ast.parse(source, filename)
    lines = (source.encode() if isinstance(source, str) else source).splitlines()
    changed = Rewriter(tree, lines).visit(tree)
    return compile(changed, filename, "exec", dont_inherit=True)


class _Mark:
    """The last constant of every code object that tells of its accesses."""

    __slots__ = ()


_REWRITTEN: Final = _Mark()


def is_rewritten(code: CodeType) -> bool:
    """Whether code tells of its accesses; code that has none to tell of may be."""
    return bool(code.co_consts) and code.co_consts[-1] is _REWRITTEN


def sites_of(code: CodeType) -> list[events.Place]:
    """The sites of one rewritten code object, without those of the functions inside it."""
    return [constant for constant in code.co_consts if isinstance(constant, events.Place)]


def bind(code: CodeType) -> CodeType:
    """The same code with its markers replaced by new sites."""
    constants: list[Any] = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(bind(constant))
        elif isinstance(constant, str) and constant.startswith(MARK):
            kind, name, line, column, text, checks = json.loads(constant[len(MARK) :])
            constants.append(
                getattr(sites, kind)(
                    _SPACES[kind],
                    name,
                    code.co_filename,
                    line,
                    column,
                    code.co_qualname,
                    text,
                    checks,
                )
            )
        else:
            constants.append(constant)
    return code.replace(co_consts=(*constants, _REWRITTEN))
