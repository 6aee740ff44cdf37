"""The life of instances: set up once, taken down once, whoever comes and goes meanwhile."""

from ftbridge.adapters.base import BaseAdapter
from ftbridge.adapters.errors import HostClosedError
from ftbridge.adapters.life import AdapterLife
from ftbridge.adapters.lifetimes import ThreadInstances
from ftstress.suites._threads import together

MODULES = ("ftbridge.adapters.lifetimes", "ftbridge.adapters.life")


class _Made:
    def __init__(self) -> None:
        self.begun: list[BaseAdapter] = []
        self.ended: list[BaseAdapter] = []
        self.instances = ThreadInstances(self._begin, self.ended.append)

    def _begin(self) -> BaseAdapter:
        made = BaseAdapter()
        self.begun.append(made)
        return made

    def is_balanced(self) -> bool:
        return sorted(map(id, self.begun)) == sorted(map(id, self.ended))


def each_thread_has_one_and_takes_it_down() -> None:
    made = _Made()

    def work() -> None:
        assert made.instances.obtain() is made.instances.obtain()
        made.instances.leave()

    together(work, work)
    assert len(made.begun) == 2
    assert made.is_balanced()


def closing_beside_a_thread_that_leaves() -> None:
    made = _Made()

    def work() -> None:
        made.instances.obtain()
        made.instances.leave()

    together(work, made.instances.close)
    made.instances.close()
    assert made.is_balanced()


class _Shared(BaseAdapter):
    __thread_safe__ = True
    __lifetime__ = "process"

    begun = 0
    ended = 0

    def setup(self) -> None:
        _Shared.begun += 1

    def teardown(self) -> None:
        _Shared.ended += 1


def opened_once_and_closed_once() -> None:
    life = AdapterLife(_Shared, lifetime=None, config={})
    _Shared.begun = _Shared.ended = 0

    def use() -> None:
        life.open()
        try:
            life.release(life.obtain())
        except HostClosedError:
            pass
        life.close()

    together(use, use)
    assert _Shared.begun == _Shared.ended
    assert 1 <= _Shared.begun <= 2
