defmodule PoolTest do
  use ExUnit.Case, async: true

  import Python, only: [task: 2, kill: 1, eventually: 1]

  alias PulsePort.Pool

  defp start_pool(name, python, options) do
    start_supervised!({Pool, task(python, [name: name] ++ options)})
    assert eventually(fn -> length(Pool.members(name)) == Keyword.get(options, :size, 2) end)
    name
  end

  test "a request whose member dies is answered by another one" do
    pool = start_pool(:dying, "Sleeps", [])
    callers = for _ <- 1..20, do: Task.async(fn -> Pool.infer(pool, 200, 30_000) end)
    [member | _] = Pool.members(pool)
    assert eventually(fn -> PulsePort.in_flight(member) > 0 end)
    kill(PulsePort.os_pid(member))
    assert Enum.all?(Task.await_many(callers, 30_000), &match?({:ok, _}, &1))
    assert eventually(fn -> length(Pool.members(pool)) == 2 end)
  end

  test "while a member is killed again and again, every request is answered" do
    pool = start_pool(:killed, "Echo", size: 2, max_restarts: 100)

    killer =
      Task.async(fn ->
        for _ <- 1..5 do
          assert eventually(fn -> length(Pool.members(pool)) == 2 end)
          [member | _] = Enum.shuffle(Pool.members(pool))
          kill(PulsePort.os_pid(member))
          assert eventually(fn -> member not in Pool.members(pool) end)
        end
      end)

    answers =
      Stream.iterate(1, &(&1 + 1))
      |> Stream.take_while(fn _ -> Process.alive?(killer.pid) end)
      |> Enum.map(&{&1, Pool.infer(pool, &1, 10_000)})

    Task.await(killer)
    assert length(answers) > 100
    assert Enum.all?(answers, fn {n, answer} -> answer == {:ok, n} end)
  end

  test "a pool without a member that is loaded answers when the time is over" do
    start_supervised!({Pool, task("Sleeps", name: :loading, size: 1)})
    assert Pool.infer(:loading, 0, 10) == {:error, :timeout}
  end

  test "a request is refused when all members are busy" do
    pool = start_pool(:busy, "Sleeps", size: 2, max_in_flight: 1)
    callers = for _ <- 1..2, do: Task.async(fn -> Pool.infer(pool, 500, 30_000) end)
    assert eventually(fn -> Enum.all?(Pool.members(pool), &(PulsePort.in_flight(&1) == 1)) end)
    assert Pool.infer(pool, 0, 10_000) == {:error, :busy}
    assert [{:ok, 1}, {:ok, 1}] = Task.await_many(callers, 30_000)
  end

  test "a pool whose members keep ending gives up" do
    Process.flag(:trap_exit, true)
    {:ok, pool} = Pool.start_link(task("NeverLoads", name: :hopeless, max_restarts: 2))
    assert_receive {:EXIT, ^pool, :shutdown}, 30_000
  end
end
