defmodule PulsePort do
  @moduledoc """
  A Python model behind a `Port`: one GenServer owns one `pulse port` process.

      children = [
        {PulsePort, name: Sentiment, target: "sentiment"}
      ]
      Supervisor.start_link(children, strategy: :one_for_one)

      PulsePort.infer(Sentiment, %{"q" => "A joy from start to finish."})
      #=> {:ok, %{"predictions" => [%{"label" => "POSITIVE", "score" => 0.99}, ...]}}

  Each request carries a ref that its answer brings back, so many are in flight at once and Python predicts
  together what arrives together. The GenServer lives exactly as long as its Python process: when that ends,
  the GenServer stops with the exit status as its reason, every caller gets that as `{:error, {:down, reason}}`,
  and the supervisor starts both again. When the GenServer ends, the port closes, and Python ends because its input did.

  ## Options

    * `:target` - what `pulse port` is to run: `"sentiment"`, `"shop.py:Prices"`, ... Required.
    * `:name` - a name for the GenServer.
    * `:command` - the executable and the arguments before the target; `["pulse", "port"]`.
    * `:packet` - bytes of a frame's length: 1, 2 or 4. With 2 a frame ends at 65,535 bytes. 4.
    * `:stdio` - frames on stdin and stdout instead of descriptors 3 and 4; `false`.
    * `:batch_size` - most requests that Python predicts together; 16.
    * `:max_in_flight` - most requests that Python has not answered; above it `{:error, :busy}`. 64.
    * `:overdue_ms` - a request that Python has for longer means a hung process, which is killed; 10_000.
    * `:start_timeout_ms` - the same for loading the model; 120_000.
    * `:warm_up` - the payload of a first request; its answer, whatever it is, says that the model is loaded.
      `nil`.
    * `:on_ready` - a function without arguments, called in the GenServer when the model is loaded.
    * `:cd` - the folder in which Python runs.
  """

  use GenServer, shutdown: 5_000

  @timeout_ms 1_000
  # Pulse ends at a longer frame, so none is sent.
  @max_frame 64 * 1024 * 1024
  # Bytes that may wait in front of the pipe; above the higher one the next request is refused.
  @busy_limits {4 * 1024 * 1024, 16 * 1024 * 1024}

  @typedoc "Why there is no result. A map, list or number is never an error: only these are."
  @type error ::
          :busy
          | :timeout
          | {:down, term}
          | {:invalid_input | :model_error, String.t()}

  @doc "Starts the GenServer and its Python process. Requests are taken at once; they wait while it loads."
  def start_link(options) do
    GenServer.start_link(__MODULE__, options, Keyword.take(options, [:name]))
  end

  @doc """
  Predicts one payload.

  After `timeout_ms` the caller gets `{:error, :timeout}`. Python is not told; its late answer is dropped, and
  until it comes the request counts as in flight, because Python still works on it.
  """
  @spec infer(GenServer.server(), term, pos_integer) :: {:ok, term} | {:error, error}
  def infer(server, payload, timeout_ms \\ @timeout_ms) do
    ref = make_ref()
    # Encoded here and not in the GenServer, so that callers do this work side by side.
    frame = :erlang.term_to_binary({ref, payload})
    deadline = now() + timeout_ms

    try do
      GenServer.call(server, {:infer, ref, frame, deadline}, timeout_ms)
    catch
      :exit, {:timeout, _} -> {:error, :timeout}
      :exit, {reason, {GenServer, :call, _}} -> {:error, {:down, reason}}
    end
  end

  @doc "The id of the Python process."
  def os_pid(server), do: GenServer.call(server, :os_pid)

  @doc "How many requests Python has not answered."
  def in_flight(server), do: GenServer.call(server, :in_flight)

  @impl true
  def init(options) do
    # So that terminate/2 runs, and a Python process that hangs does not outlive us.
    Process.flag(:trap_exit, true)
    port = open(options)
    {:os_pid, os_pid} = Port.info(port, :os_pid)

    state = %{
      port: port,
      os_pid: os_pid,
      in_flight: %{},
      max_in_flight: Keyword.get(options, :max_in_flight, 64),
      max_frame: min(Bitwise.bsl(1, 8 * Keyword.get(options, :packet, 4)) - 1, @max_frame),
      warm_up: make_ref(),
      on_ready: Keyword.get(options, :on_ready, fn -> :ok end),
      since: now(),
      start_timeout_ms: Keyword.get(options, :start_timeout_ms, 120_000),
      overdue_ms: Keyword.get(options, :overdue_ms, 10_000)
    }

    warm_up = {state.warm_up, Keyword.get(options, :warm_up)}
    Port.command(port, :erlang.term_to_binary(warm_up))
    {:ok, check_later(state)}
  end

  @impl true
  def handle_call({:infer, ref, frame, deadline}, from, state) do
    cond do
      now() >= deadline ->
        {:noreply, state}

      byte_size(frame) > state.max_frame ->
        {:reply, too_large(frame, state), state}

      map_size(state.in_flight) >= state.max_in_flight ->
        {:reply, {:error, :busy}, state}

      sent?(state.port, frame) ->
        {:noreply, put_in(state.in_flight[ref], {from, now()})}

      true ->
        {:reply, {:error, :busy}, state}
    end
  end

  def handle_call(:os_pid, _from, state), do: {:reply, state.os_pid, state}
  def handle_call(:in_flight, _from, state), do: {:reply, map_size(state.in_flight), state}

  @impl true
  def handle_info({port, {:data, data}}, %{port: port} = state) do
    case decode(data) do
      {ref, answer} -> settle(ref, answer, state)
      _no_answer -> {:stop, {:garbage, binary_part(data, 0, min(byte_size(data), 32))}, state}
    end
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state) do
    {:stop, {:exit_status, status}, state}
  end

  def handle_info(:check_overdue, state) do
    case overdue(state) do
      nil -> {:noreply, check_later(state)}
      reason -> {:stop, reason, state}
    end
  end

  # The port is linked to us: its end comes as an exit as well, after what its process said.
  def handle_info({:EXIT, port, reason}, %{port: port} = state),
    do: {:stop, {:port, reason}, state}

  def handle_info({:EXIT, _other, :normal}, state), do: {:noreply, state}
  def handle_info({:EXIT, _other, reason}, state), do: {:stop, reason, state}

  @impl true
  def terminate(_reason, state) do
    # While the port is open the process has not been reaped, so the number is still its own.
    if Port.info(state.port) do
      System.cmd("kill", ["-KILL", Integer.to_string(state.os_pid)], stderr_to_stdout: true)
    end
  end

  defp open(options) do
    [program | arguments] = Keyword.get(options, :command, ["pulse", "port"])
    path = System.find_executable(program) || raise "there is no program #{inspect(program)}"
    packet = Keyword.get(options, :packet, 4)
    stdio = Keyword.get(options, :stdio, false)

    arguments =
      arguments ++
        [Keyword.fetch!(options, :target), "--codec", "etf", "--packet", "#{packet}"] ++
        ["--fds", if(stdio, do: "0,1", else: "3,4")] ++
        ["--batch-size", "#{Keyword.get(options, :batch_size, 16)}"]

    # A list that mixes both has its bare atoms first, or it does not parse.
    Port.open(
      {:spawn_executable, path},
      [:binary, :exit_status, if(stdio, do: :use_stdio, else: :nouse_stdio)] ++
        [packet: packet, args: arguments, busy_limits_port: @busy_limits] ++
        Keyword.take(options, [:cd])
    )
  end

  # False where too much waits in front of the pipe. A port that has just closed has taken it: why it closed is on
  # its way to us, and answers the caller.
  defp sent?(port, frame) do
    Port.command(port, frame, [:nosuspend])
  rescue
    ArgumentError -> true
  end

  # :safe makes no atoms; the ones that Pulse itself sends are in this file.
  defp decode(data) do
    :erlang.binary_to_term(data, [:safe])
  rescue
    ArgumentError -> :garbage
  end

  defp settle(ref, _answer, %{warm_up: ref} = state) do
    state.on_ready.()
    {:noreply, %{state | warm_up: nil, since: now()}}
  end

  defp settle(ref, answer, state) do
    case pop_in(state.in_flight[ref]) do
      {nil, state} ->
        {:noreply, state}

      {{from, _sent_at}, state} ->
        # Where the caller has given up, the VM drops the reply.
        GenServer.reply(from, result(answer))
        {:noreply, state}
    end
  end

  defp result({:error, code, text}) when code in [:invalid_input, :model_error],
    do: {:error, {code, text}}

  defp result(value), do: {:ok, value}

  defp too_large(frame, state) do
    {:error, {:invalid_input, "a frame of #{byte_size(frame)} bytes is over #{state.max_frame}"}}
  end

  # Requests that came while the model was loading have waited since it is loaded, and not longer.
  defp overdue(%{warm_up: nil} = state) do
    sent = for {_ref, {_from, sent_at}} <- state.in_flight, do: max(sent_at, state.since)
    waited_ms = now() - Enum.min(sent, &now/0)
    if waited_ms > state.overdue_ms, do: {:overdue, state.overdue_ms}
  end

  defp overdue(state) do
    if now() - state.since > state.start_timeout_ms, do: {:start_timeout, state.start_timeout_ms}
  end

  defp check_later(state) do
    period_ms = div(min(state.overdue_ms, state.start_timeout_ms), 4)
    Process.send_after(self(), :check_overdue, max(period_ms, 1))
    state
  end

  defp now, do: System.monotonic_time(:millisecond)
end
