defmodule Ftbridge.Adapter do
  @moduledoc """
  A Snakepit adapter that starts ftbridge workers, with N calls at once in each.

  Copy this file and `ftbridge_parallel_worker.ex` into your project's `lib/`, and name the module in
  a pool's configuration:

      config :snakepit,
        pooling_enabled: true,
        adapter_module: Ftbridge.Adapter,
        pools: [
          %{
            name: :default,
            worker_profile: :thread,
            pool_size: 1,
            threads_per_worker: 8,
            adapter_module: Ftbridge.Adapter,
            adapter_args: ["--adapter", "my_adapter.MyAdapter"]
          }
        ]

      config :snakepit, :ftbridge, executable: "/srv/app/.venv/bin/ftbridge-python"

  Without `:executable` the program is looked for on the PATH. `parallel: false` leaves calls to
  Snakepit's own worker, which sends one at a time.

  Everything that is not about starting is Snakepit's own gRPC adapter's.
  """

  require Logger

  alias Snakepit.Adapters.GRPCPython

  @behaviour Snakepit.Adapter

  @program "ftbridge-python"

  @doc "The interpreter that puts ftbridge's script in the place of Snakepit's."
  @impl true
  def executable_path do
    case Keyword.get(settings(), :executable) || System.find_executable(@program) do
      nil ->
        raise "#{@program} is not on the PATH: install ftbridge into a free-threaded Python and " <>
                "set config :snakepit, :ftbridge, executable: \"/path/to/bin/#{@program}\""

      path ->
        path
    end
  end

  @doc "Snakepit's script: the program above replaces it, the host's clean-up looks for its name."
  @impl true
  def script_path, do: GRPCPython.script_path()

  @impl true
  def script_args, do: GRPCPython.script_args()

  @doc "Port 0: every worker takes a free one and writes it to its ready file."
  def get_port, do: 0

  def uses_grpc?, do: GRPCPython.uses_grpc?()

  def command_timeout(command, args), do: GRPCPython.command_timeout(command, args)

  @doc """
  Connects, and has the pool send its calls to `Ftbridge.ParallelWorker` from now on.

  Snakepit calls this in the worker's own process, where its id is to be had.
  """
  def init_grpc_connection(port) do
    with {:ok, connection} <- GRPCPython.init_grpc_connection(port) do
      if Keyword.get(settings(), :parallel, true), do: send_calls_in_parallel()
      {:ok, connection}
    end
  end

  def grpc_execute(connection, session_id, command, args, timeout, opts) do
    GRPCPython.grpc_execute(connection, session_id, command, args, timeout, opts)
  end

  def grpc_execute_stream(connection, session_id, command, args, callback, timeout, opts) do
    GRPCPython.grpc_execute_stream(
      connection,
      session_id,
      command,
      args,
      callback,
      timeout,
      opts
    )
  end

  defp send_calls_in_parallel do
    # The pool asks function_exported?/3, which says no for a module that is not loaded.
    {:module, worker} = Code.ensure_loaded(Ftbridge.ParallelWorker)

    case Registry.keys(Snakepit.Pool.Registry, self()) do
      [worker_id | _] ->
        Snakepit.Pool.Registry.put_metadata(worker_id, %{worker_module: worker})

      [] ->
        # Calls still work, one at a time.
        Logger.warning("ftbridge: this worker is not registered; its calls go one at a time")
    end
  end

  defp settings, do: :snakepit |> Application.get_env(:ftbridge, []) |> Enum.to_list()
end
