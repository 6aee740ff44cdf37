"""`BaseAdapter` by itself: configuration, context, and authors who override both."""

from ftbridge import AdapterHost, BaseAdapter, SessionContext, tool


class Configured(BaseAdapter):
    __thread_safe__ = True

    def __init__(self):
        # No super().__init__(): many adapters forget it.
        self.seen = self.config.get("model")
        self.session_context = None

    @tool
    def model(self):
        return self.seen, self.session_id


def test_config_is_there_before_init_runs():
    host = AdapterHost(Configured, config={"model": "small"})
    host.open()
    assert host.call("model", {}, SessionContext("s1")) == ("small", "s1")
    host.close()


def test_without_a_host_config_is_empty_and_there_is_no_session():
    adapter = Configured()
    assert dict(adapter.config) == {}
    assert adapter.seen is None
    assert adapter.session_id is None


def test_config_is_read_only_and_a_copy():
    given = {"model": "small"}
    host = AdapterHost(Configured, config=given)
    host.open()
    given["model"] = "large"
    assert host.call("model", {}, SessionContext())[0] == "small"
    host.close()


def test_set_session_context_sets_what_both_properties_read():
    adapter = Configured()
    context = SessionContext("abc")
    adapter.set_session_context(context)
    assert adapter.session_context is context
    assert adapter.session_id == "abc"


def test_base_adapters_are_not_thread_safe_unless_they_say_so():
    assert BaseAdapter.__thread_safe__ is False
