# How long one request takes from Elixir to Python and back.
#
#     PULSE=path/to/pulse mix run bench/round_trip.exs [REQUESTS]
#
# Prints a line for each way: its name, the median and the 99th percentile in microseconds, and how many there were.

defmodule RoundTrip do
  @payload "A joy from start to finish."
  @warm_up 2_000

  def run(requests) do
    echo = [
      target: "#{__DIR__}/tasks.py:Echo",
      command: [System.get_env("PULSE", "pulse"), "port"]
    ]

    {:ok, _} = PulsePort.start_link([name: Alone] ++ echo)
    {:ok, _} = PulsePort.Pool.start_link([name: Pool, size: 1] ++ echo)
    {:ok, @payload} = PulsePort.infer(Alone, @payload, 60_000)
    {:ok, @payload} = PulsePort.Pool.infer(Pool, @payload, 60_000)

    ways = [
      {"cat behind a port", bare(open("cat", [], [:use_stdio]))},
      {"pulse behind a port", bare(open_pulse())},
      {"PulsePort", fn -> {:ok, @payload} = PulsePort.infer(Alone, @payload) end},
      {"PulsePort.Pool", fn -> {:ok, @payload} = PulsePort.Pool.infer(Pool, @payload) end}
    ]

    for {name, ask} <- ways do
      measure(ask, @warm_up)
      report(name, measure(ask, requests))
    end

    report("PulsePort, 32 callers", together(32, requests))
  end

  defp open(program, arguments, options) do
    path = System.find_executable(program)
    Port.open({:spawn_executable, path}, [:binary] ++ options ++ [packet: 4, args: arguments])
  end

  defp open_pulse do
    [program, target] = [System.get_env("PULSE", "pulse"), "#{__DIR__}/tasks.py:Echo"]
    port = open(program, ["port", target, "--fds", "3,4"], [:nouse_stdio])
    bare(port).()
    port
  end

  # Without a GenServer: the terms are made and read, as any caller must.
  defp bare(port) do
    fn ->
      ref = make_ref()
      Port.command(port, :erlang.term_to_binary({ref, @payload}))

      receive do
        {^port, {:data, data}} -> {^ref, @payload} = :erlang.binary_to_term(data)
      after
        60_000 -> raise "no answer"
      end
    end
  end

  defp measure(ask, requests), do: for(_ <- 1..requests, do: elem(:timer.tc(ask), 0))

  defp together(callers, requests) do
    ask = fn -> {:ok, @payload} = PulsePort.infer(Alone, @payload, 60_000) end

    1..callers
    |> Enum.map(fn _ -> Task.async(fn -> measure(ask, div(requests, callers)) end) end)
    |> Task.await_many(:infinity)
    |> List.flatten()
  end

  defp report(name, times_us) do
    sorted = Enum.sort(times_us)
    count = length(sorted)
    at = fn share -> Enum.at(sorted, min(trunc(count * share), count - 1)) end
    IO.puts(Enum.join([name, at.(0.5), at.(0.99), count], "\t"))
  end
end

System.argv() |> List.first("20000") |> String.to_integer() |> RoundTrip.run()
