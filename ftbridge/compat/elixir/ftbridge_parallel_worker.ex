defmodule Ftbridge.ParallelWorker do
  @moduledoc """
  Sends a pool's calls to a worker side by side.

  Snakepit's worker process sends one call at a time, whatever its Python process could do. The pool
  asks the registry which module executes a worker's calls; `Ftbridge.Adapter` names this one there.
  A call runs in the process of its caller, over the worker's own HTTP/2 connection: the worker
  process is asked for the connection only. The pool still decides how many calls a worker gets
  (`threads_per_worker`), routes by session and counts requests; the worker's own counters and its
  instrumentation do not see these calls.
  """

  alias Snakepit.Adapters.GRPCPython
  alias Snakepit.GRPCWorker

  @doc "`{:ok, result}` or `{:error, reason}`, as `Snakepit.GRPCWorker.execute/4` gives them."
  def execute(worker_id, command, args, opts \\ []) do
    {timeout, opts} = split(opts)

    with {:ok, connection, session_id} <- fetch(worker_id) do
      GRPCPython.grpc_execute(connection, session_id, command, correlated(args), timeout, opts)
    end
  end

  @doc "`:ok` or `{:error, reason}`, once the stream has ended or the callback has said `:halt`."
  def execute_stream(worker_id, command, args, callback, opts \\ [])
      when is_function(callback, 1) do
    {timeout, opts} = split(opts)

    with {:ok, connection, session_id} <- fetch(worker_id) do
      GRPCPython.grpc_execute_stream(
        connection,
        session_id,
        command,
        correlated(args),
        callback,
        timeout,
        opts
      )
    end
  end

  # Older versions of Snakepit give the timeout alone.
  defp split(timeout) when is_integer(timeout) or timeout in [nil, :infinity], do: {timeout, []}
  defp split(opts) when is_list(opts), do: Keyword.pop(opts, :timeout)

  defp fetch(worker_id) do
    with {:ok, pid} <- Snakepit.Pool.Registry.get_worker_pid(worker_id),
         {:ok, channel} <- GRPCWorker.get_channel(pid),
         {:ok, session_id} <- GRPCWorker.get_session_id(pid) do
      {:ok, %{channel: channel}, session_id}
    else
      _ -> not_found(worker_id)
    end
  catch
    # It ended between the look-up and the question.
    :exit, {reason, _} when reason in [:noproc, :normal, :shutdown] -> not_found(worker_id)
    :exit, {{:shutdown, _}, _} -> not_found(worker_id)
  end

  defp not_found(worker_id) do
    {:error, Snakepit.Error.worker_error("Worker not found", %{worker_id: worker_id})}
  end

  # Snakepit's own worker gives each call an id that ties both sides' records together.
  defp correlated(%{correlation_id: _} = args), do: args
  defp correlated(%{"correlation_id" => _} = args), do: args

  defp correlated(args) when is_map(args) do
    id = 12 |> :crypto.strong_rand_bytes() |> Base.encode16(case: :lower)
    Map.put(args, "correlation_id", "sp-" <> id)
  end

  defp correlated(args), do: args
end
