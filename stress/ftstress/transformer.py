"""The change of a module's syntax tree that `ftstress.rewriting` makes.

Each visit wraps the operand of one operation in a call of a site; what is left alone, and why, is
said there. A site begins as a string constant that starts with `MARK`. Must never make an
expression be worked out twice that could have an effect, nor move a node to another line or column.
"""

import ast
import json
from typing import Any, Final

from ftstress.containers import KEYED_METHODS, METHODS, SCANNERS, STEPPERS
from ftstress.scopes import COMPREHENSIONS, FunctionScope, Names

MARK: Final = "\0ftstress:"
_TEXT_LIMIT: Final = 80  # characters of source kept for a report
_SCOPE: Final = "__ftstress_scope_{}__"


def _is_simple(node: ast.expr) -> bool:
    """Whether an expression may be worked out twice."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
    return isinstance(node, (ast.Constant, ast.Name))


def _has_slice(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return any(map(_has_slice, node.elts))
    return isinstance(node, ast.Slice)


def _suspends(node: ast.AST) -> bool:
    return any(isinstance(n, (ast.Starred, ast.Yield, ast.YieldFrom)) for n in ast.walk(node))


class Rewriter(ast.NodeTransformer):
    def __init__(self, tree: ast.AST, lines: list[bytes]) -> None:
        self.lines = lines
        self.names = Names(tree)
        self.scopes: list[FunctionScope | None] = []  # None is the body of a class
        self.hidden: list[set[str]] = []  # names that comprehensions around here bind
        self.classes: list[str] = []
        self.visited: set[ast.AST] = set()
        self.checking = False

    # Making calls of sites.

    def text(self, node: Any) -> str:
        line = self.lines[node.lineno - 1]
        end = node.end_col_offset if node.end_lineno == node.lineno else len(line)
        found: str = line[node.col_offset : end].decode("utf-8", "replace").strip()
        return found if len(found) <= _TEXT_LIMIT else found[: _TEXT_LIMIT - 1] + "…"

    def site(self, kind: str, node: Any, name: str = "") -> ast.Constant:
        facts = [kind, name, node.lineno, node.col_offset, self.text(node), self.checking]
        return ast.Constant(MARK + json.dumps(facts))

    def call(self, site: ast.Constant, method: str, at: ast.expr, *more: ast.expr) -> ast.expr:
        """``SITE.method(at, *more)`` in the place of `at`."""
        function = ast.Attribute(ast.Constant(site.value), method, ast.Load())
        call = ast.Call(function, [at, *more], [])
        for node in (call, function, function.value):
            ast.copy_location(node, at)
        for node in more:
            ast.copy_location(node, at)
        return call

    def checked(self, node: ast.expr, checking: bool = True) -> Any:
        before, self.checking = self.checking, checking
        try:
            return self.visit(node)
        finally:
            self.checking = before

    def field(self, name: str) -> str:
        """A name as the compiler mangles it."""
        if self.classes and name.startswith("__") and not name.endswith("__"):
            return f"_{self.classes[-1].lstrip('_')}{name}"
        return name

    # Attributes, items, methods.

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self.attribute(node, "read" if isinstance(node.ctx, ast.Load) else "write")

    def attribute(self, node: ast.Attribute, method: str) -> ast.Attribute:
        special = node.attr.startswith("__") and node.attr.endswith("__")
        if special or self.is_super(node.value):
            self.generic_visit(node)
            return node
        site = self.site("AttributeSite", node, self.field(node.attr))
        node.value = self.call(site, method, self.checked(node.value, False))
        return node

    @staticmethod
    def is_super(node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "super"
        )

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        method = {ast.Load: "read", ast.Store: "write", ast.Del: "delete"}[type(node.ctx)]
        return self.subscript(node, method)

    def subscript(self, node: ast.Subscript, method: str) -> ast.Subscript:
        site = self.site("ItemSite", node)
        base = self.checked(node.value, False)
        key = node.slice
        if _has_slice(key):
            how = "scan" if method == "read" else "reshape"
            node.value = self.call(site, how, base)
            node.slice = self.checked(key, False)
        elif _is_simple(key):
            node.value = self.call(site, method, base, self.copy(key))
        elif _suspends(key):  # a starred index is no expression, and a frame may not come back
            node.value = self.call(
                site, "scan" if method in ("read", "update") else "reshape", base
            )
            node.slice = self.checked(key, False)
        else:
            node.value = self.call(site, "base", base)
            node.slice = self.call(site, f"{method}_key", self.checked(key, False))
        return node

    @staticmethod
    def copy(node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Name):
            return ast.Name(node.id, ast.Load())
        if isinstance(node, ast.UnaryOp):
            assert isinstance(node.operand, ast.Constant)
            return ast.Constant(-node.operand.value)  # type: ignore[operator]
        assert isinstance(node, ast.Constant)
        return ast.Constant(node.value)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in METHODS:
            self.method(node, function)
            return node
        scans = (isinstance(function, ast.Name) and function.id in SCANNERS) or (
            isinstance(function, ast.Attribute) and function.attr == "join"
        )
        lazy = isinstance(function, ast.Name) and function.id in STEPPERS
        node.func = self.checked(function, False)
        arguments = []
        for argument in node.args:
            changed = self.checked(argument, self.checking and scans)
            if scans and self.may_be_container(argument):
                how = "iterate" if lazy else "scan"
                changed = self.call(self.site("ScanSite", node), how, changed)
            arguments.append(changed)
        node.args = arguments
        for keyword in node.keywords:
            keyword.value = self.checked(keyword.value, False)
        return node

    def method(self, node: ast.Call, function: ast.Attribute) -> None:
        """A container's method: told once the last argument has been worked out."""
        site = self.site("MethodSite", node, function.attr)
        base = self.checked(function.value, False)
        first = node.args[0] if node.args else None
        suspends = any(map(_suspends, (*node.args, *(word.value for word in node.keywords))))
        keyed = function.attr in KEYED_METHODS and first is not None and not suspends
        # Where an argument is that takes work, from 0; words come after positions.
        working = [
            index
            for index, argument in enumerate((*node.args, *(word.value for word in node.keywords)))
            if not _is_simple(argument)
        ]
        last = working[-1] if working and not suspends else None
        node.args = [self.checked(argument, False) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.checked(keyword.value, False)
        if keyed:
            later = last is not None and last > 0
            node.args[0] = self.call(site, "key_first" if later else "key", node.args[0])
            how, last = "on_keyed", last if later else None
        else:
            how = "on" if last is None else "on_later"
        function.value = self.call(site, how, base)
        if last is None:
            return
        if last < len(node.args):
            node.args[last] = self.call(site, "now", node.args[last])
        else:
            word = node.keywords[last - len(node.args)]
            word.value = self.call(site, "now", word.value)

    @staticmethod
    def may_be_container(node: ast.expr) -> bool:
        return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call))

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        single = len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn))
        left = node.left
        key = self.copy(left) if single and _is_simple(left) else None
        node.left = self.checked(left)
        node.comparators = [self.checked(comparator) for comparator in node.comparators]
        if single and self.may_be_container(node.comparators[0]):
            site = self.checked_site("ItemSite", node)
            if key is not None:
                node.comparators = [self.call(site, "contains", node.comparators[0], key)]
            else:
                node.comparators = [self.call(site, "scan", node.comparators[0])]
        return node

    def checked_site(self, kind: str, node: ast.expr) -> ast.Constant:
        before, self.checking = self.checking, True
        try:
            return self.site(kind, node)
        finally:
            self.checking = before

    # Conditions.

    def truth(self, node: ast.expr) -> ast.expr:
        changed: ast.expr = self.checked(node)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self.call(self.checked_site("ScanSite", node), "truth", changed)
        return changed

    def visit_If(self, node: ast.If) -> ast.AST:
        node.test = self.truth(node.test)
        node.body = self.statements(node.body)
        node.orelse = self.statements(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        node.test = self.truth(node.test)
        node.body = self.statements(node.body)
        node.orelse = self.statements(node.orelse)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        node.test = self.truth(node.test)
        node.body = self.visit(node.body)
        node.orelse = self.visit(node.orelse)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not):
            node.operand = self.truth(node.operand)
        else:
            self.generic_visit(node)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        last = node.values[-1]
        tested = [self.truth(value) for value in node.values[:-1]]
        node.values = [*tested, self.truth(last) if self.checking else self.visit(last)]
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.test = self.truth(node.test)
        if node.msg is not None:
            node.msg = self.visit(node.msg)
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        # ``try: return table[key]`` with ``except KeyError`` is a check of another form.
        for statement in node.body:
            if isinstance(statement, ast.Return) and statement.value is not None:
                statement.value = self.checked(statement.value)
                self.visited.add(statement)
        self.generic_visit(node)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return node if node in self.visited else self.generic_visit(node)

    # Iteration.

    def visit_For(self, node: ast.For) -> ast.AST:
        node.target = self.visit(node.target)
        node.iter = self.scanned(node.iter)
        node.body = self.statements(node.body)
        node.orelse = self.statements(node.orelse)
        return node

    def scanned(self, node: ast.expr) -> ast.expr:
        changed: ast.expr = self.visit(node)
        if self.may_be_container(node):
            return self.call(self.site("ScanSite", node), "iterate", changed)
        return changed

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.target = self.visit(node.target)
        node.iter = self.visit(node.iter) if node.is_async else self.scanned(node.iter)
        node.ifs = [self.truth(test) for test in node.ifs]
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, COMPREHENSIONS):
            return super().generic_visit(node)
        self.hidden.append(
            {
                name.id
                for generator in node.generators
                for name in ast.walk(generator.target)
                if isinstance(name, ast.Name)
            }
        )
        try:
            return super().generic_visit(node)
        finally:
            self.hidden.pop()

    # Bare names.

    def shared(self, name: str) -> tuple[str, ast.expr | None] | None:
        """Kind of site for a bare name here, and the scope's stand-in for a cell."""
        if any(name in names for names in self.hidden) or (self.scopes and self.scopes[-1] is None):
            return None
        functions = [scope for scope in self.scopes if scope is not None]
        for depth in range(len(functions) - 1, -1, -1):
            scope = functions[depth]
            if name in scope.globals:
                break
            if name in scope.bound:
                if name not in scope.shared:
                    return None
                return "CellSite", ast.Name(_SCOPE.format(depth), ast.Load())
        return ("GlobalSite", None) if name in self.names.globals else None

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load):
            return node
        told = self.before(node)
        # ``SITE.reads() and name``: told before, and the name is read by its own instruction.
        return (
            node if told is None else ast.copy_location(ast.BoolOp(ast.And(), [told, node]), node)
        )

    def before(self, node: ast.Name) -> ast.expr | None:
        """A call that tells of a read to come; None where the name is not shared."""
        found = self.shared(node.id)
        if found is None:
            return None
        kind, scope = found
        function = ast.Attribute(self.site(kind, node, node.id), "reads", ast.Load())
        call = ast.Call(function, [] if scope is None else [scope], [])
        for part in ast.walk(call):
            if not isinstance(part, ast.expr_context):
                ast.copy_location(part, node)
        return call

    def bare(self, value: ast.expr, method: str, node: ast.expr, name: str) -> ast.expr:
        found = self.shared(name)
        if found is None:
            return value
        kind, scope = found
        more = () if scope is None else (scope,)
        return self.call(self.site(kind, node, name), method, value, *more)

    def targets(self, value: ast.expr, targets: list[ast.expr]) -> ast.expr:
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    value = self.bare(value, "storing", node, node.id)
        return value

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        local = len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        node.value = self.targets(self.checked(node.value, local), node.targets)
        node.targets = [self.visit(target) for target in node.targets]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            local = isinstance(node.target, ast.Name)
            node.value = self.targets(self.checked(node.value, local), [node.target])
            node.target = self.visit(node.target)
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        node.value = self.targets(self.checked(node.value), [node.target])
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.AST]:
        value = self.checked(node.value, False)
        target = node.target
        if isinstance(target, ast.Name):
            told = self.before(target)
            if told is None:
                node.value = value
                return node
            node.value = self.bare(value, "storing", target, target.id)
            return [ast.copy_location(ast.Expr(told), target), node]
        if isinstance(target, ast.Attribute):
            site = self.site("AttributeSite", target, self.field(target.attr))
            target.value = self.call(site, "update", self.visit(target.value))
        else:
            site = self.site("ItemSite", target)  # as in subscript(): equal markers are one site
            if _has_slice(target.slice):
                node.target = self.subscript(target, "write")
                node.value = value
                return node
            node.target = self.subscript(target, "update")
        node.value = self.call(site, "stored", value)
        return node

    # Scopes.

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        changed: list[ast.stmt] = []
        for statement in body:
            found = self.visit(statement)
            changed += found if isinstance(found, list) else [found]
        return changed

    def function[F: (ast.FunctionDef, ast.AsyncFunctionDef)](self, node: F) -> F:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        self.defaults(node.args)
        scope = self.names.scopes[node]
        before, self.checking, hidden, self.hidden = self.checking, False, self.hidden, []
        self.scopes.append(scope)
        body = self.statements(node.body)
        if scope.shared:
            depth = sum(s is not None for s in self.scopes) - 1
            at = node.body[0]
            make = ast.Call(
                ast.Attribute(self.site("CellSite", at, "scope"), "scope", ast.Load()), [], []
            )
            name = ast.Name(_SCOPE.format(depth), ast.Store())
            first = ast.Assign([name], make)
            for part in ast.walk(first):
                if not isinstance(part, ast.expr_context):
                    ast.copy_location(part, at)
            documented = ast.get_docstring(node, clean=False) is not None
            body.insert(1 if documented else 0, first)
        node.body = body
        self.scopes.pop()
        self.checking, self.hidden = before, hidden
        return node

    def defaults(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self.visit(default) for default in arguments.defaults]
        arguments.kw_defaults = [d and self.visit(d) for d in arguments.kw_defaults]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.defaults(node.args)
        self.scopes.append(self.names.scopes[node])
        hidden, self.hidden = self.hidden, []
        node.body = self.checked(node.body, False)
        self.hidden = hidden
        self.scopes.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        node.bases = [self.visit(base) for base in node.bases]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        self.scopes.append(None)
        self.classes.append(node.name)
        node.body = self.statements(node.body)
        self.classes.pop()
        self.scopes.pop()
        return node

    def visit_TypeAlias(self, node: ast.TypeAlias) -> ast.AST:
        return node

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        return node

    def visit_MatchClass(self, node: ast.MatchClass) -> ast.AST:
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        node.kwd_patterns = [self.visit(pattern) for pattern in node.kwd_patterns]
        return node
