# Generous: the machine may be busy, and a test that passes does not wait for it.
ExUnit.start(capture_log: true, assert_receive_timeout: 30_000)

defmodule Python do
  @moduledoc "Python processes for tests: where `pulse` is, and whether a process is still there."

  @doc "The options of a `PulsePort` for one of the tasks beside this file."
  def task(name, options \\ []) do
    [target: "#{__DIR__}/tasks.py:#{name}", command: [System.get_env("PULSE", "pulse"), "port"]] ++
      options
  end

  @doc "Asks with all the time in the world."
  def ask(server, payload), do: PulsePort.infer(server, payload, 30_000)

  @doc "Sends SIGKILL."
  def kill(os_pid), do: System.cmd("kill", ["-KILL", "#{os_pid}"], stderr_to_stdout: true)

  @doc "Whether a process runs; one that has ended but was not reaped does not."
  def running?(os_pid) do
    case System.cmd("ps", ["-o", "stat=", "-p", "#{os_pid}"]) do
      {"Z" <> _, 0} -> false
      {_, status} -> status == 0
    end
  end

  @doc "Looks until it is so: nobody tells us when another process has ended."
  def eventually(condition, left_ms \\ 20_000) do
    cond do
      condition.() -> true
      left_ms <= 0 -> false
      true -> Process.sleep(10) && eventually(condition, left_ms - 10)
    end
  end

  @doc "Waits until a model is loaded."
  def ready(server) do
    {:ok, _} = ask(server, 0)
    server
  end
end
