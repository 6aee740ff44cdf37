ExUnit.start(autorun: false)

defmodule Ftbridge.AdapterTest do
  use ExUnit.Case

  alias Ftbridge.{Adapter, ParallelWorker}
  alias Snakepit.{GRPCWorker, Pool}

  setup do
    Application.delete_env(:snakepit, :ftbridge)
    start_supervised!(Snakepit.Pool.Registry)
    :ok
  end

  defp worker(id \\ "default_worker_1_7", port \\ 4711) do
    {:ok, pid} = GRPCWorker.start_link(Adapter, id, port)
    %{id: id, pid: pid}
  end

  test "it is started through the configured program, with the host's script and arguments" do
    Application.put_env(:snakepit, :ftbridge, executable: "/venv/bin/ftbridge-python")
    assert Adapter.executable_path() == "/venv/bin/ftbridge-python"
    assert Path.basename(Adapter.script_path()) == "grpc_server.py"
    assert ["--adapter", _] = Adapter.script_args()
    assert Adapter.get_port() == 0
    assert Adapter.uses_grpc?()
    assert Adapter.command_timeout("x", %{}) == 30_000
  end

  test "without a program on the PATH the error says what to do" do
    path = System.get_env("PATH")
    System.put_env("PATH", "/nowhere")
    on_exit(fn -> System.put_env("PATH", path) end)
    assert_raise RuntimeError, ~r/config :snakepit, :ftbridge, executable:/, &Adapter.executable_path/0
  end

  test "once connected, the pool sends a worker's calls to the parallel module" do
    %{id: id} = worker()
    assert Pool.worker_module(id) == ParallelWorker

    assert {:ok, {{:channel, 4711}, "session_1_1", "add", args, 500, [trace: true]}} =
             Pool.execute(id, "add", %{"a" => 1}, timeout: 500, trace: true)

    assert %{"a" => 1, "correlation_id" => "sp-" <> hex} = args
    assert byte_size(hex) == 24
  end

  test "a correlation id that is there stays" do
    %{id: id} = worker()

    for args <- [%{"correlation_id" => "mine"}, %{correlation_id: "mine"}] do
      assert {:ok, {_, _, _, ^args, _, _}} = Pool.execute(id, "add", args, [])
    end
  end

  test "calls to one worker overlap" do
    %{id: id} = worker()
    test = self()

    tasks =
      for _ <- 1..8 do
        Task.async(fn -> Pool.execute(id, "gate", %{test: test}, timeout: 1_000) end)
      end

    # All eight are under way at the same time, or this waits for ever.
    waiting =
      for _ <- 1..8 do
        assert_receive {:waiting, pid}, 5_000
        pid
      end

    Enum.each(waiting, &send(&1, :go))
    results = Task.await_many(tasks)
    assert Enum.all?(results, &match?({:ok, {{:channel, 4711}, "session_1_1", 1_000, []}}, &1))
  end

  test "streams go to the callback" do
    %{id: id} = worker()
    test = self()
    assert :ok = Pool.execute_stream(id, "count", %{}, &send(test, {:chunk, &1}), timeout: 900)
    assert_received {:chunk, %{"data" => {{:channel, 4711}, "session_1_1", "count", _, 900, []}}}
  end

  test "older versions give the timeout alone" do
    %{id: id} = worker()
    assert {:ok, {_, _, _, _, 250, []}} = ParallelWorker.execute(id, "add", %{}, 250)
    assert {:ok, {_, _, _, _, :infinity, []}} = ParallelWorker.execute(id, "add", %{}, :infinity)
  end

  test "a worker that is not there is an error, and so is one that has no connection" do
    assert {:error, %Snakepit.Error{category: :worker, details: %{worker_id: "gone"}}} =
             ParallelWorker.execute("gone", "add", %{}, [])

    %{id: id, pid: pid} = worker()
    :sys.replace_state(pid, &%{&1 | channel: nil})
    assert {:error, %Snakepit.Error{}} = ParallelWorker.execute(id, "add", %{}, [])
    assert {:error, %Snakepit.Error{}} = ParallelWorker.execute_stream(id, "add", %{}, & &1, [])
  end

  test "a failed connection is passed on" do
    Process.flag(:trap_exit, true)
    assert {:error, :connection_refused} = GRPCWorker.start_link(Adapter, "w", -1)
  end

  test "parallel: false leaves the pool's own way" do
    Application.put_env(:snakepit, :ftbridge, %{parallel: false})
    %{id: id} = worker()
    assert Pool.worker_module(id) == GRPCWorker
  end

  test "an unregistered process still gets its connection" do
    log =
      ExUnit.CaptureLog.capture_log(fn ->
        assert {:ok, %{port: 1}} = Adapter.init_grpc_connection(1)
      end)

    assert log =~ "one at a time"
  end

  test "the delegations keep every argument" do
    assert {:ok, {:c, "s", "add", %{}, 5, [a: 1]}} =
             Adapter.grpc_execute(%{channel: :c}, "s", "add", %{}, 5, a: 1)

    assert :ok = Adapter.grpc_execute_stream(%{channel: :c}, "s", "add", %{}, & &1, 5, a: 1)
  end
end

%{failures: failures} = ExUnit.run()
if failures > 0, do: System.halt(1)
