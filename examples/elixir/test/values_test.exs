defmodule ValuesTest do
  use ExUnit.Case, async: true

  setup_all do
    %{echo: start_supervised!({PulsePort, Python.task("Echo")})}
  end

  defp echo(server, value), do: PulsePort.infer(server, value, 30_000)

  @values [
    0,
    -1,
    2_147_483_648,
    18_446_744_073_709_551_616,
    -Bitwise.bsl(1, 4000),
    1.5,
    -0.0,
    1.0e308,
    true,
    false,
    nil,
    :an_atom,
    :"an átom",
    "",
    "text",
    "Grüße, 日本語 🙂",
    <<0, 255, 254>>,
    [],
    [1, 2, 3],
    [1, 300, "a", [2.5]],
    'a charlist',
    {},
    {1, {"a", :b}},
    %{},
    %{"q" => %{"deep" => [1, %{}]}, 1 => 2, key: :value}
  ]

  test "a value comes back as it went", %{echo: echo} do
    for value <- @values, do: assert(echo(echo, value) === {:ok, value})
  end

  test "8 MB come back as they went", %{echo: echo} do
    large = :binary.copy("Größe 🙂 ", 600_000)
    assert echo(echo, large) == {:ok, large}
  end

  test "a thousand numbers come back as they went", %{echo: echo} do
    numbers = for n <- 1..1000, do: n / 3
    assert echo(echo, numbers) == {:ok, numbers}
  end

  test "what has no value in Python is this item's error", %{echo: echo} do
    for value <- [self(), make_ref(), &is_list/1, <<1::3>>, [1 | 2], %{[1] => 2}] do
      assert {:error, {:invalid_input, text}} = echo(echo, value)
      assert text =~ "no value"
    end
  end

  test "what is nested too deeply is this item's error", %{echo: echo} do
    deep = Enum.reduce(1..100, 1, fn _, inner -> [inner] end)
    assert {:error, {:invalid_input, text}} = echo(echo, deep)
    assert text =~ "nested deeper than 64"
  end

  test "a binary is text where the task takes text, and bytes where it takes bytes" do
    shout = start_supervised!({PulsePort, Python.task("Shout")}, id: :shout)
    reverse = start_supervised!({PulsePort, Python.task("Reverse")}, id: :reverse)
    assert echo(shout, "größe") == {:ok, "GRÖSSE"}
    assert {:error, {:invalid_input, text}} = echo(shout, <<255>>)
    assert text =~ "Expected `str`"
    assert echo(reverse, <<1, 2, 255>>) == {:ok, <<255, 2, 1>>}
    assert echo(reverse, "abc") == {:ok, "cba"}
  end

  test "a number that the format cannot hold is this item's error" do
    numbers = start_supervised!({PulsePort, Python.task("Numbers")}, id: :numbers)
    assert echo(numbers, "1.5") == {:ok, 1.5}

    for name <- ["nan", "inf", "-inf"] do
      assert {:error, {:model_error, text}} = echo(numbers, name)
      assert text =~ "no form in Erlang"
    end

    assert {:error, {:model_error, "ValueError: could not convert" <> _}} = echo(numbers, "seven")
  end

  test "with a length of 2 bytes a frame ends at 65,535, in both directions" do
    large = start_supervised!({PulsePort, Python.task("Large", packet: 2)}, id: :large)
    assert {:ok, answer} = echo(large, 65_000)
    assert byte_size(answer) == 65_000
    assert {:error, {:model_error, text}} = echo(large, 70_000)
    assert text =~ "65535"
    assert {:error, {:invalid_input, text}} = echo(large, :binary.copy("x", 70_000))
    assert text =~ "over 65535"
    assert {:ok, <<0>>} = echo(large, 1)
  end

  test "with a length of 1 byte a frame ends at 255" do
    echo = start_supervised!({PulsePort, Python.task("Echo", packet: 1)}, id: :small)
    assert echo(echo, "small") == {:ok, "small"}
    assert {:error, {:invalid_input, _}} = echo(echo, :binary.copy("x", 255))
  end
end
