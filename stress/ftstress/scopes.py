"""Which bare names of a module are shared variables: globals that functions assign, closure cells
that inner functions assign. Must never change the tree.
"""

import ast

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class FunctionScope:
    """One function and what its names mean."""

    def __init__(self, node: FunctionNode) -> None:
        self.node = node
        self.bound: set[str] = set()  # its own variables
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.shared: set[str] = set()  # of its own, those that an inner function assigns
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            *filter(None, (arguments.vararg, arguments.kwarg)),
        ):
            self.bound.add(argument.arg)
        body = node.body if isinstance(node.body, list) else [node.body]
        for statement in body:
            self._collect(statement)
        self.bound -= self.globals | self.nonlocals

    def _collect(self, node: ast.AST) -> None:
        if isinstance(node, ast.Global):
            self.globals.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            self.nonlocals.update(node.names)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, (ast.Store, ast.Del)):
                self.bound.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.bound.add(node.name)
            return  # what is inside is another scope's; decorators bind nothing but by walrus
        elif isinstance(node, ast.Lambda):
            return
        elif isinstance(node, ast.alias):
            self.bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            if node.name:
                self.bound.add(node.name)
        elif isinstance(node, ast.MatchMapping):
            if node.rest:
                self.bound.add(node.rest)
        elif isinstance(node, COMPREHENSIONS):
            # Its targets are its own; a walrus inside binds here.
            for inner in ast.walk(node):
                if isinstance(inner, ast.NamedExpr):
                    self.bound.add(inner.target.id)
            return
        for child in ast.iter_child_nodes(node):
            self._collect(child)


class Names:
    """The scopes of one module."""

    def __init__(self, tree: ast.AST) -> None:
        self.scopes: dict[ast.AST, FunctionScope] = {}
        self.globals: set[str] = set()
        self._walk(tree, [])

    def _walk(self, node: ast.AST, outer: list[FunctionScope]) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            scope = self.scopes[node] = FunctionScope(node)
            self.globals |= scope.globals
            for name in scope.nonlocals:
                owner = next((s for s in reversed(outer) if name in s.bound), None)
                if owner is not None:
                    owner.shared.add(name)
            outer = [*outer, scope]
        for child in ast.iter_child_nodes(node):
            self._walk(child, outer)
