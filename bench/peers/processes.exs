# The BEAM's side of the runtime benchmarks. Prints one line a figure: name, nanoseconds (or bytes).
# Loops live in a module, for code at the top level of a script is interpreted.
defmodule Tally do
  use GenServer
  def init(start), do: {:ok, start}
  def handle_call({:add, n}, _from, total), do: {:reply, total + n, total + n}
  def handle_cast({:add, n}, total), do: {:noreply, total + n}
end

defmodule Measure do
  @runs 5

  def median(name, count, work) do
    work.(div(count, 10))
    times = for _ <- 1..@runs, do: elem(:timer.tc(fn -> work.(count) end), 0)
    middle = times |> Enum.sort() |> Enum.at(div(@runs, 2))
    IO.puts("#{name} #{Float.round(middle * 1000 / count, 1)}")
  end

  def repeat(0, _), do: :ok

  def repeat(n, work) do
    work.()
    repeat(n - 1, work)
  end

  def all do
    {:ok, tally} = GenServer.start(Tally, 0)
    median("call", 300_000, fn n -> repeat(n, fn -> GenServer.call(tally, {:add, 1}) end) end)

    median("cast", 500_000, fn n ->
      repeat(n, fn -> GenServer.cast(tally, {:add, 1}) end)
      GenServer.call(tally, {:add, 0}, :infinity)
    end)

    median("start", 50_000, fn n ->
      pids = for _ <- 1..n, do: elem(GenServer.start(Tally, 0), 1)
      for pid <- pids, do: Process.exit(pid, :kill)
    end)

    before = :erlang.memory(:total)
    pids = for _ <- 1..100_000, do: elem(GenServer.start(Tally, 0), 1)
    IO.puts("idle_bytes #{div(:erlang.memory(:total) - before, length(pids))}")
  end
end

Measure.all()
