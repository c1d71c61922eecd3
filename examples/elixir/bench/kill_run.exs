# What callers see while the Python side is killed once a second.
#
#     PULSE=path/to/pulse mix run bench/kill_run.exs [REQUESTS [RATE]]
#
# Sends REQUESTS at RATE a second from 50 callers to a pool of two, and each second sends SIGKILL to a member that
# is loaded. Each caller checks that the answer is the one to its own request. Prints a line for each kind of answer,
# and what else was seen.

defmodule KillRun do
  @callers 50
  @every_ms 1_000

  def run(requests, rate) do
    options = [
      name: Killed,
      size: 2,
      target: "#{__DIR__}/tasks.py:Echo",
      command: [System.get_env("PULSE", "pulse"), "port"],
      # One death a second is more than the 3 in 5 s that is right for a service.
      max_restarts: 10
    ]

    {:ok, _} = PulsePort.Pool.start_link(options)
    wait_for_members(2)

    {:ok, killer} = Task.start_link(fn -> kill_for_ever(0) end)
    began = System.monotonic_time(:millisecond)
    answers = ask(requests, rate)
    took_ms = System.monotonic_time(:millisecond) - began
    send(killer, {:how_many, self()})
    kills = receive(do: ({:kills, kills} -> kills))
    report(requests, answers, kills, took_ms)
  end

  defp wait_for_members(count) do
    unless length(PulsePort.Pool.members(Killed)) == count do
      Process.sleep(10)
      wait_for_members(count)
    end
  end

  defp kill_for_ever(kills) do
    receive do
      {:how_many, parent} -> send(parent, {:kills, kills})
    after
      @every_ms ->
        case Enum.shuffle(PulsePort.Pool.members(Killed)) do
          [member | _] ->
            System.cmd("kill", ["-KILL", "#{PulsePort.os_pid(member)}"])
            kill_for_ever(kills + 1)

          [] ->
            kill_for_ever(kills)
        end
    end
  end

  defp ask(requests, rate) do
    each = div(requests, @callers)
    pause_ms = 1000 * @callers / rate
    began = System.monotonic_time(:millisecond)

    1..@callers
    |> Enum.map(fn caller ->
      Task.async(fn ->
        for n <- 1..each do
          until = began + trunc((n - 1 + caller / @callers) * pause_ms)
          Process.sleep(max(until - System.monotonic_time(:millisecond), 0))
          one({caller, n})
        end
      end)
    end)
    |> Task.await_many(:infinity)
    |> List.flatten()
  end

  defp one(payload) do
    {time_us, answer} = :timer.tc(fn -> PulsePort.Pool.infer(Killed, payload) end)

    case answer do
      {:ok, ^payload} -> {:ok, time_us}
      {:ok, _other} -> {:wrong, time_us}
      {:error, {kind, _}} -> {kind, time_us}
      {:error, kind} -> {kind, time_us}
    end
  end

  defp report(requests, answers, kills, took_ms) do
    kinds = Enum.frequencies_by(answers, &elem(&1, 0))
    for {kind, count} <- kinds, do: IO.puts("answer\t#{kind}\t#{count}")
    IO.puts("without an answer\t#{requests - length(answers)}")
    IO.puts("kills\t#{kills}")
    IO.puts("seconds\t#{took_ms / 1000}")
    times = answers |> Enum.map(&elem(&1, 1)) |> Enum.sort()

    at = fn share ->
      Enum.at(times, min(trunc(length(times) * share), length(times) - 1)) / 1000
    end

    IO.puts("p50 ms\t#{at.(0.5)}")
    IO.puts("p99 ms\t#{at.(0.99)}")
    IO.puts("longest ms\t#{at.(1.0)}")
  end
end

[requests, rate] =
  Enum.map(System.argv(), &String.to_integer/1) ++
    Enum.drop([100_000, 4_000], length(System.argv()))

KillRun.run(requests, rate)
