# What the adapter calls of Snakepit, as small as the tests allow and with its names and arities.

defmodule Snakepit.Adapter do
  @callback executable_path() :: String.t()
  @callback script_path() :: String.t()
  @callback script_args() :: [String.t()]
end

defmodule Snakepit.Error do
  defstruct [:category, :message, :details]

  def worker_error(message, details),
    do: %__MODULE__{category: :worker, message: message, details: details}
end

defmodule Snakepit.Pool.Registry do
  def child_spec(_), do: Registry.child_spec(keys: :unique, name: __MODULE__)
  def via_tuple(id), do: {:via, Registry, {__MODULE__, id}}

  def get_worker_pid(id) do
    case Registry.lookup(__MODULE__, id) do
      [{pid, _}] -> {:ok, pid}
      [] -> {:error, :not_found}
    end
  end

  def put_metadata(id, metadata) do
    merge = fn current -> Map.merge(current || %{}, metadata) end

    case Registry.update_value(__MODULE__, id, merge) do
      :error -> {:error, :not_registered}
      _ -> :ok
    end
  end
end

defmodule Snakepit.Adapters.GRPCPython do
  # Which test wants to know of calls, and what a call does, are in the arguments.
  def script_path, do: "/app/priv/python/grpc_server.py"
  def script_args, do: ["--adapter", "snakepit_bridge.adapters.showcase.ShowcaseAdapter"]
  def uses_grpc?, do: true
  def command_timeout(_command, _args), do: 30_000

  def init_grpc_connection(port) when port < 0, do: {:error, :connection_refused}
  def init_grpc_connection(port), do: {:ok, %{channel: {:channel, port}, port: port}}

  def grpc_execute(connection, session_id, "gate", args, timeout, opts) do
    send(args.test, {:waiting, self()})

    receive do
      :go -> {:ok, {connection.channel, session_id, timeout, opts}}
    end
  end

  def grpc_execute(connection, session_id, command, args, timeout, opts) do
    {:ok, {connection.channel, session_id, command, args, timeout, opts}}
  end

  def grpc_execute_stream(connection, session_id, command, args, callback, timeout, opts) do
    callback.(%{"data" => {connection.channel, session_id, command, args, timeout, opts}})
    :ok
  end
end

defmodule Snakepit.GRPCWorker do
  use GenServer

  def start_link(adapter, id, port) do
    GenServer.start_link(__MODULE__, {adapter, port}, name: Snakepit.Pool.Registry.via_tuple(id))
  end

  def get_channel(worker), do: GenServer.call(worker, :get_channel)
  def get_session_id(worker), do: GenServer.call(worker, :get_session_id)

  @impl true
  def init({adapter, port}) do
    case adapter.init_grpc_connection(port) do
      {:ok, connection} -> {:ok, connection}
      {:error, reason} -> {:stop, reason}
    end
  end

  @impl true
  def handle_call(:get_channel, _from, %{channel: nil} = state),
    do: {:reply, {:error, :not_connected}, state}

  def handle_call(:get_channel, _from, state), do: {:reply, {:ok, state.channel}, state}
  def handle_call(:get_session_id, _from, state), do: {:reply, {:ok, "session_1_1"}, state}
end

# How the pool finds out who executes a call, and executes it.
defmodule Snakepit.Pool do
  def execute(id, command, args, opts) do
    worker_module(id).execute(id, command, args, opts)
  end

  def execute_stream(id, command, args, callback, opts) do
    module = worker_module(id)
    true = function_exported?(module, :execute_stream, 5)
    module.execute_stream(id, command, args, callback, opts)
  end

  def worker_module(id) do
    case Registry.lookup(Snakepit.Pool.Registry, id) do
      [{_pid, %{worker_module: module}}] -> module
      _ -> Snakepit.GRPCWorker
    end
  end
end
