# The BEAM's side of the PubSub benchmarks. Prints one line a figure: name, nanoseconds (or bytes).
# Phoenix.PubSub is this on one node: a Registry with duplicate keys, a dispatch in the caller, a send to each pid. So the
# Registry alone is measured, without what Phoenix adds to it.
defmodule Counter do
  use GenServer

  def init(registry) do
    Registry.register(registry, "topic", nil)
    {:ok, 0}
  end

  def handle_info({:news, _}, count), do: {:noreply, count + 1}
  def handle_call(:count, _from, count), do: {:reply, count, count}
end

# Tells the broadcaster when it was the last of all to handle a message.
defmodule Latched do
  use GenServer

  def init({registry, latch, boss}) do
    Registry.register(registry, "topic", nil)
    {:ok, {0, latch, boss}}
  end

  def handle_info({:news, _}, {count, latch, boss}) do
    if :atomics.sub_get(latch, 1, 1) == 0, do: send(boss, :all_handled)
    {:noreply, {count + 1, latch, boss}}
  end
end

defmodule Measure do
  @runs 9
  @subscribers 1_000
  @broadcasts 200
  @many 100_000
  @topics 1_000

  def median(name, work) do
    work.()

    times =
      for _ <- 1..@runs do
        :erlang.garbage_collect()
        elem(:timer.tc(work), 0)
      end

    middle = times |> Enum.sort() |> Enum.at(div(@runs, 2))
    IO.puts("#{name} #{Float.round(middle * 1000 / (@subscribers * @broadcasts), 1)}")
  end

  def broadcast(_registry, 0), do: :ok

  def broadcast(registry, left) do
    Registry.dispatch(registry, "topic", fn entries ->
      for {pid, _} <- entries, do: send(pid, {:news, left})
    end)

    broadcast(registry, left - 1)
  end

  def one_by_one(_registry, _latch, 0), do: :ok

  def one_by_one(registry, latch, left) do
    :atomics.put(latch, 1, @subscribers)
    broadcast(registry, 1)

    receive do
      :all_handled -> one_by_one(registry, latch, left - 1)
    end
  end

  def subscribe(_registry, 0), do: :ok

  def subscribe(registry, left) do
    Registry.register(registry, rem(left, @topics), nil)
    subscribe(registry, left - 1)
  end

  def all do
    for name <- [Topics, Latches, Many],
        do: {:ok, _} = Registry.start_link(keys: :duplicate, name: name)

    counters = for _ <- 1..@subscribers, do: elem(GenServer.start(Counter, Topics), 1)

    median("broadcast_1000", fn ->
      broadcast(Topics, @broadcasts)
      for pid <- counters, do: GenServer.call(pid, :count, :infinity)
    end)

    latch = :atomics.new(1, [])
    for _ <- 1..@subscribers, do: GenServer.start(Latched, {Latches, latch, self()})
    median("broadcast_1000_one_by_one", fn -> one_by_one(Latches, latch, @broadcasts) end)

    before = :erlang.memory(:total)
    {time, _} = :timer.tc(fn -> subscribe(Many, @many) end)
    IO.puts("subscribe #{Float.round(time * 1000 / @many, 1)}")
    IO.puts("subscription_bytes #{div(:erlang.memory(:total) - before, @many)}")
  end
end

Measure.all()
