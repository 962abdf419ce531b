# ETS's side of the tables' benchmarks. Prints one line a figure: name, nanoseconds a row (or a range of 100, or bytes).
# Tables have ETS's default options; rows are {integer key, string, integer}. Keys come in one shuffled order.
defmodule Measure do
  @runs 5
  @rows 100_000
  @batch 1_000

  def median(name, count, work) do
    times = for _ <- 1..@runs, do: timed(work)
    middle = times |> Enum.sort() |> Enum.at(div(@runs, 2))
    IO.puts("#{name} #{Float.round(middle * 1000 / count, 1)}")
  end

  defp timed(work) do
    :erlang.garbage_collect()
    elem(:timer.tc(work), 0)
  end

  def lookups(_, []), do: :ok

  def lookups(table, [key | keys]) do
    [_] = :ets.lookup(table, key)
    lookups(table, keys)
  end

  def inserts(_, []), do: :ok

  def inserts(table, [row | rows]) do
    :ets.insert(table, row)
    inserts(table, rows)
  end

  def counters(_, []), do: :ok

  def counters(table, [key | keys]) do
    :ets.update_counter(table, key, {3, 1})
    counters(table, keys)
  end

  def batches(_, []), do: :ok

  def batches(table, [rows | batches]) do
    :ets.insert(table, rows)
    batches(table, batches)
  end

  def lookup_batches(_, []), do: :ok

  def lookup_batches(table, [keys | batches]) do
    _ = for key <- keys, do: :ets.lookup(table, key)
    lookup_batches(table, batches)
  end

  # Guards of a match specification don't narrow the scan of an ordered_set; walking from key to key does.
  def walk(_, _, _, 0), do: []
  def walk(_, key, high, _) when key == :"$end_of_table" or key >= high, do: []

  def walk(table, key, high, left) do
    [row] = :ets.lookup(table, key)
    [row | walk(table, :ets.next(table, key), high, left - 1)]
  end

  def ranges(_, []), do: :ok

  def ranges(table, [low | lows]) do
    100 = length(walk(table, :ets.next(table, low - 1), low + 100, 100))
    ranges(table, lows)
  end

  def filled(kind, rows) do
    table = :ets.new(:bench, [kind])
    :ets.insert(table, rows)
    table
  end

  def fresh(kind, work) do
    table = :ets.new(:bench, [kind])
    work.(table)
    :ets.delete(table)
  end

  def all do
    :rand.seed(:exsss, {1, 2, 3})
    keys = Enum.shuffle(0..(@rows - 1))
    rows = for key <- keys, do: {key, "row #{key}", key}
    table = filled(:set, rows)
    median("lookup", @rows, fn -> lookups(table, keys) end)
    median("insert", @rows, fn -> fresh(:set, &inserts(&1, rows)) end)
    median("counter", @rows, fn -> counters(table, keys) end)
    key_batches = Enum.chunk_every(keys, @batch)
    row_batches = Enum.chunk_every(rows, @batch)
    median("lookup_many", @rows, fn -> lookup_batches(table, key_batches) end)
    median("insert_many", @rows, fn -> fresh(:set, &batches(&1, row_batches)) end)
    ordered = filled(:ordered_set, rows)
    median("ordered_insert", @rows, fn -> fresh(:ordered_set, &inserts(&1, rows)) end)
    median("ordered_lookup", @rows, fn -> lookups(ordered, keys) end)
    lows = keys |> Enum.filter(&(&1 <= @rows - 100)) |> Enum.take(10_000)
    median("ordered_range_100", length(lows), fn -> ranges(ordered, lows) end)
    words = :ets.info(table, :memory)
    IO.puts("row_bytes #{Float.round(words * :erlang.system_info(:wordsize) / @rows, 1)}")
  end
end

Measure.all()
