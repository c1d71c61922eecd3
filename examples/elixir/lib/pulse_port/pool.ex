defmodule PulsePort.Pool do
  @moduledoc """
  Several `PulsePort`s under one supervisor: when one dies, another is loaded already.

      children = [
        {PulsePort.Pool, name: Prices, size: 2, target: "shop.py:Prices"}
      ]

      PulsePort.Pool.infer(Prices, %{"sku" => "A-7"})

  A member takes requests from when its model is loaded until it ends. A request whose member died is sent to
  another one, within its own deadline: the payload is still the caller's, so nobody else must remember it. So
  the model may see a payload twice. A payload that two members have died on is not tried again.

  ## Options

    * `:name` - the pool's name. Required.
    * `:size` - how many Python processes; 2.
    * `:max_restarts`, `:max_seconds` - more restarts than that, and the pool gives up; 3 in 5, as everywhere.
    * All others are those of `PulsePort`.
  """

  use Supervisor

  @timeout_ms 1_000
  @deaths 2
  # How long to wait before looking again for a member, where none is loaded.
  @pause_ms 5

  @doc "Starts the pool."
  def start_link(options) do
    Supervisor.start_link(__MODULE__, options, name: Keyword.fetch!(options, :name))
  end

  @doc "Predicts one payload on a member that is loaded, and on another one if that member dies."
  @spec infer(atom, term, pos_integer) :: {:ok, term} | {:error, PulsePort.error()}
  def infer(pool, payload, timeout_ms \\ @timeout_ms) do
    infer_until(pool, payload, now() + timeout_ms, 0)
  end

  @doc "The members that are loaded."
  def members(pool) do
    for {pid, _} <- Registry.lookup(registry(pool), :ready), do: pid
  end

  @impl true
  def init(options) do
    {own, options} = Keyword.split(options, [:name, :size, :max_restarts, :max_seconds])
    registry = registry(own[:name])
    ready = fn -> Registry.register(registry, :ready, nil) end

    members =
      for number <- 1..Keyword.get(own, :size, 2) do
        Supervisor.child_spec({PulsePort, [on_ready: ready] ++ options}, id: {PulsePort, number})
      end

    # Without its registry a pool has no members that anybody could find, so it comes first and takes them along.
    Supervisor.init(
      [{Registry, keys: :duplicate, name: registry}, members_supervisor(members, own)],
      strategy: :one_for_all,
      max_restarts: 0
    )
  end

  defp members_supervisor(members, own) do
    limits = Keyword.take(own, [:max_restarts, :max_seconds])
    start = {Supervisor, :start_link, [members, [strategy: :one_for_one] ++ limits]}
    %{id: :members, type: :supervisor, start: start}
  end

  defp infer_until(pool, payload, deadline, deaths) do
    answer =
      case Enum.shuffle(members(pool)) do
        [] -> nobody(deadline)
        members -> infer_on(members, payload, deadline)
      end

    case answer do
      :again ->
        infer_until(pool, payload, deadline, deaths)

      # It had ended before it could have seen the payload.
      {:error, {:down, :noproc}} ->
        infer_until(pool, payload, deadline, deaths)

      {:error, {:down, _reason}} when deaths + 1 < @deaths ->
        infer_until(pool, payload, deadline, deaths + 1)

      settled ->
        settled
    end
  end

  # A member that is busy is no reason to refuse while another one is not.
  defp infer_on([member | others], payload, deadline) do
    case PulsePort.infer(member, payload, max(deadline - now(), 1)) do
      {:error, :busy} when others != [] -> infer_on(others, payload, deadline)
      answer -> answer
    end
  end

  defp nobody(deadline) do
    if now() >= deadline do
      {:error, :timeout}
    else
      Process.sleep(@pause_ms)
      :again
    end
  end

  defp registry(pool), do: Module.concat(pool, Members)
  defp now, do: System.monotonic_time(:millisecond)
end
