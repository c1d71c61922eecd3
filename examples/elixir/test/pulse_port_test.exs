defmodule PulsePortTest do
  use ExUnit.Case, async: true

  import Python, only: [task: 1, task: 2, kill: 1, running?: 1, eventually: 1, ready: 1, ask: 2]

  describe "requests" do
    test "many are in flight, and each gets its own answer" do
      echo = start_supervised!({PulsePort, task("Echo", max_in_flight: 500)})

      answers =
        Task.async_stream(1..2000, &{&1, ask(echo, %{"n" => &1})},
          max_concurrency: 200,
          timeout: 60_000
        )

      assert Enum.all?(answers, fn {:ok, {n, answer}} -> answer == {:ok, %{"n" => n}} end)
    end

    test "what arrives together is predicted together, up to the batch size" do
      sleeps = ready(start_supervised!({PulsePort, task("Sleeps", batch_size: 4)}))

      sizes =
        1..20
        |> Task.async_stream(fn _ -> ask(sleeps, 50) end, max_concurrency: 20)
        |> Enum.map(fn {:ok, {:ok, size}} -> size end)

      assert Enum.max(sizes) == 4
    end

    test "a caller that waits too long gets a timeout, and never the late answer" do
      sleeps = ready(start_supervised!({PulsePort, task("Sleeps")}))
      assert PulsePort.infer(sleeps, 300, 20) == {:error, :timeout}
      assert PulsePort.in_flight(sleeps) == 1
      assert eventually(fn -> PulsePort.in_flight(sleeps) == 0 end)
      refute_received _
      assert ask(sleeps, 0) == {:ok, 1}
    end

    test "above the bound in flight a request is refused at once" do
      sleeps = ready(start_supervised!({PulsePort, task("Sleeps", max_in_flight: 2)}))
      callers = for _ <- 1..2, do: Task.async(fn -> ask(sleeps, 300) end)
      assert eventually(fn -> PulsePort.in_flight(sleeps) == 2 end)
      assert ask(sleeps, 0) == {:error, :busy}
      assert [{:ok, _}, {:ok, _}] = Task.await_many(callers, 30_000)
      assert {:ok, 1} = ask(sleeps, 0)
    end

    test "above the bound in bytes a request is refused at once, and what was taken is answered" do
      sleeps = ready(start_supervised!({PulsePort, task("Sleeps", overdue_ms: 60_000)}))
      parent = self()
      blocker = Task.async(fn -> ask(sleeps, 500) end)
      assert eventually(fn -> PulsePort.in_flight(sleeps) == 1 end)

      # While Python works it reads nothing: what is sent waits here, 16 MiB of it and one request more.
      large = :binary.copy(<<0>>, 6 * 1024 * 1024)

      callers =
        for _ <- 1..8 do
          Task.async(fn ->
            answer = ask(sleeps, large)
            send(parent, answer)
            answer
          end)
        end

      assert_receive {:error, :busy}
      assert {:ok, _} = Task.await(blocker, 30_000)
      answers = Task.await_many(callers, 30_000)
      # A binary is no number: what was taken is refused by the task's type, not lost.
      assert Enum.all?(
               answers,
               &match?({:error, reason} when reason == :busy or is_tuple(reason), &1)
             )

      assert Enum.any?(answers, &match?({:error, {:invalid_input, _}}, &1))
      assert {:ok, _} = ask(sleeps, 0)
    end
  end

  describe "printing" do
    test "does not touch the wire, on descriptors 3 and 4" do
      talks = start_supervised!({PulsePort, task("Talks")})
      assert ask(talks, "hi") == {:ok, "hi"}
      assert ask(talks, "again") == {:ok, "again"}
    end

    test "does not touch the wire, on stdin and stdout" do
      talks = start_supervised!({PulsePort, task("Talks", stdio: true)})
      assert ask(talks, "hi") == {:ok, "hi"}
      assert ask(talks, "again") == {:ok, "again"}
    end
  end

  describe "the end of the Python process" do
    test "answers every caller, and the supervisor starts it again" do
      name = :"#{__MODULE__}.Killed"
      start_supervised!({PulsePort, task("Sleeps", name: name)})
      first = Process.whereis(ready(name))
      callers = for _ <- 1..20, do: Task.async(fn -> ask(name, 60_000) end)
      assert eventually(fn -> PulsePort.in_flight(name) == 20 end)
      kill(PulsePort.os_pid(name))
      answers = Task.await_many(callers, 30_000)
      assert Enum.all?(answers, &(&1 == {:error, {:down, {:exit_status, 137}}}))
      assert eventually(fn -> Process.whereis(name) not in [nil, first] end)
      assert {:ok, 1} = ask(name, 0)
    end

    test "past the restart intensity the supervisor gives up" do
      Process.flag(:trap_exit, true)
      children = [{PulsePort, task("NeverLoads")}]
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one, max_restarts: 2)
      assert_receive {:EXIT, ^supervisor, :shutdown}
    end

    test "that does not load is seen with its exit status" do
      Process.flag(:trap_exit, true)
      {:ok, server} = PulsePort.start_link(task("NeverLoads"))
      assert ask(server, "x") == {:error, {:down, {:exit_status, 3}}}
      assert_receive {:EXIT, ^server, {:exit_status, 3}}
    end

    test "of which there is none is an error of start_link" do
      Process.flag(:trap_exit, true)
      options = [target: "x", command: ["no-such-program-here"]]
      assert {:error, {%RuntimeError{message: message}, _}} = PulsePort.start_link(options)
      assert message =~ "no-such-program-here"
    end
  end

  describe "garbage" do
    test "from the Python side ends the server, cleanly for its callers" do
      Process.flag(:trap_exit, true)
      script = ~S(sleep 0.2; printf '\000\000\000\003abc' >&4; exec cat <&3 >/dev/null)
      {:ok, server} = PulsePort.start_link(target: "x", command: ["sh", "-c", script])
      assert {:error, {:down, {:garbage, "abc"}}} = ask(server, "x")
      assert_receive {:EXIT, ^server, {:garbage, "abc"}}
    end

    test "from our side ends Python with exit code 4" do
      Process.flag(:trap_exit, true)
      {:ok, server} = PulsePort.start_link(task("Echo"))
      {:ok, "x"} = ask(server, "x")
      :sys.replace_state(server, fn state -> Port.command(state.port, "no term") && state end)
      assert_receive {:EXIT, ^server, {:exit_status, 4}}
    end

    test "that is a term but no request is answered, and nobody is hurt" do
      echo = start_supervised!({PulsePort, task("Echo")})
      {:ok, "x"} = ask(echo, "x")
      frame = :erlang.term_to_binary([:no, :request])
      :sys.replace_state(echo, fn state -> Port.command(state.port, frame) && state end)
      assert ask(echo, "y") == {:ok, "y"}
    end
  end

  describe "no Python process is left" do
    test "when the server is stopped while Python hangs with its lock" do
      {:ok, server} = PulsePort.start_link(task("Hangs"))
      os_pid = PulsePort.os_pid(server)
      assert PulsePort.infer(server, "x", 1_500) == {:error, :timeout}
      GenServer.stop(server)
      assert eventually(fn -> not running?(os_pid) end)
    end

    test "when a request is overdue" do
      Process.flag(:trap_exit, true)
      {:ok, server} = PulsePort.start_link(task("Hangs", overdue_ms: 1_500))
      os_pid = PulsePort.os_pid(server)
      assert {:error, {:invalid_input, _}} = ask(server, 0)
      assert ask(server, "x") == {:error, {:down, {:overdue, 1_500}}}
      assert_receive {:EXIT, ^server, {:overdue, 1_500}}
      assert eventually(fn -> not running?(os_pid) end)
    end

    test "when the model takes too long to load" do
      Process.flag(:trap_exit, true)

      {:ok, server} =
        PulsePort.start_link(task("LoadsForLong", start_timeout_ms: 500, overdue_ms: 100))

      os_pid = PulsePort.os_pid(server)
      assert ask(server, "x") == {:error, {:down, {:start_timeout, 500}}}
      assert eventually(fn -> not running?(os_pid) end)
    end

    test "when the server is killed while Python predicts" do
      Process.flag(:trap_exit, true)
      {:ok, server} = PulsePort.start_link(task("Sleeps"))
      os_pid = PulsePort.os_pid(ready(server))
      assert PulsePort.infer(server, 600_000, 200) == {:error, :timeout}
      Process.exit(server, :kill)
      assert eventually(fn -> not running?(os_pid) end)
    end

    test "when the whole VM is killed while Python predicts" do
      options = inspect(task("Sleeps"))

      script = """
      {:ok, server} = PulsePort.start_link(#{options})
      {:ok, _} = PulsePort.infer(server, 0, 30_000)
      spawn_link(fn -> PulsePort.infer(server, 600_000, 600_000) end)
      Stream.repeatedly(fn -> PulsePort.in_flight(server) end) |> Enum.find(&(&1 == 1))
      IO.puts("python \#{PulsePort.os_pid(server)} of \#{System.pid()}")
      Process.sleep(:infinity)
      """

      ebin = Path.dirname(:code.which(PulsePort))
      arguments = ["-pa", ebin, "-e", script]
      elixir = System.find_executable("elixir")
      vm = Port.open({:spawn_executable, elixir}, [:binary, :exit_status, args: arguments])
      assert_receive {^vm, {:data, "python " <> pids}}
      [python, beam] = String.split(String.trim(pids), " of ")
      assert running?(python)
      kill(beam)
      assert_receive {^vm, {:exit_status, _}}
      assert eventually(fn -> not running?(python) end)
    end
  end
end
