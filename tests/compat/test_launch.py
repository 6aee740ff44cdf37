"""The host's arguments and environment, in both forms."""

import json

import pytest

from ftbridge.compat.launch import HeartbeatSettings, parse

# As the host composes them, adapter_args first.
COMMON = [
    *("--port", "0", "--elixir-address", "127.0.0.1:4000", "--snakepit-run-id", "a1b2c3d"),
    *("--snakepit-instance-name", "test_app_nonode", "--snakepit-instance-token", "token"),
]


def refused(capsys, arguments, **options):
    with pytest.raises(SystemExit) as ended:
        parse(arguments, environment={}, **options)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_the_process_profiles_form():
    launch = parse(["--adapter", "a.B", *COMMON], threaded=False, environment={})
    assert launch.adapter == "a.B"
    assert launch.port == 0
    assert launch.elixir_address == "127.0.0.1:4000"
    assert (launch.run_id, launch.instance_name, launch.instance_token) == (
        "a1b2c3d",
        "test_app_nonode",
        "token",
    )
    assert launch.threads == 0
    assert launch.heartbeat == HeartbeatSettings()


def test_the_thread_profiles_form():
    arguments = ["--adapter", "a.B", "--max-workers", "16", "--thread-safety-check", *COMMON]
    launch = parse(arguments, threaded=True, environment={})
    assert launch.threads == 16
    assert parse(["--adapter", "a.B"], threaded=True, environment={}).threads == 10


@pytest.mark.parametrize(
    ("arguments", "threaded", "named"),
    [
        (["--adapter", "a.B", "--mode", "threaded"], True, "--mode"),
        (["--adapter", "a.B", "--heartbeat-enabled"], True, "--heartbeat-enabled"),
        (["--adapter", "a.B", "--max-workers", "4"], False, "--max-workers"),
        (["--adapter", "a.B", "--max-workers", "0"], True, "0 is not above 0"),
        (["--adapter", "a.B", "--port", "70000"], False, "70000"),
        ([], True, "--adapter"),
        ([], False, "--adapter"),
    ],
)
def test_anything_else_ends_with_status_2(capsys, arguments, threaded, named):
    assert named in refused(capsys, arguments, threaded=threaded)


def test_a_health_check_needs_no_adapter():
    assert parse(["--health-check"], threaded=False, environment={}).health_check


def test_the_environment():
    launch = parse(
        ["--adapter", "a.B"],
        threaded=False,
        environment={
            "SNAKEPIT_READY_FILE": "/tmp/snakepit_ready_w_1",
            "SNAKEPIT_PROCESS_GROUP": "1",
            "SNAKEPIT_ELIXIR_ADDRESS": "127.0.0.1:1",
            "SNAKEPIT_GRPC_ADDRESS": "127.0.0.1:2",
        },
    )
    assert launch.ready_file == "/tmp/snakepit_ready_w_1"
    assert launch.process_group
    assert launch.elixir_address == "127.0.0.1:2"


def test_flags_of_our_own_also_from_the_environment():
    environment = {"FTBRIDGE_WORKER_ARGS": "--shared --threads '32'"}
    launch = parse(["--adapter", "a.B"], threaded=True, environment=environment)
    assert launch.shared
    assert launch.threads == 32
    assert launch.arguments == ("--adapter", "a.B", "--shared", "--threads", "32")


def test_heartbeat_arguments_and_the_environment_over_them():
    arguments = ["--adapter", "a.B", "--heartbeat-interval-ms", "500", "--heartbeat-independent"]
    launch = parse(arguments, threaded=False, environment={})
    assert launch.heartbeat == HeartbeatSettings(interval_ms=500, dependent=False)
    document = json.dumps({"interval_ms": 100, "maxMissedHeartbeats": 5, "jitter": 1})
    launch = parse(arguments, threaded=False, environment={"SNAKEPIT_HEARTBEAT_CONFIG": document})
    assert launch.heartbeat == HeartbeatSettings(
        interval_ms=100, max_missed_heartbeats=5, dependent=False
    )


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"interval_ms": "2000"}', '{"interval_ms": 0}', '{"timeout_ms": true}']
)
def test_unusable_heartbeat_settings_leave_the_defaults(text):
    launch = parse(
        ["--adapter", "a.B"], threaded=False, environment={"SNAKEPIT_HEARTBEAT_CONFIG": text}
    )
    assert launch.heartbeat == HeartbeatSettings()
