defmodule ValuesTest do
  use ExUnit.Case, async: true

  import Python, only: [ask: 2]

  setup_all do
    %{echo: start_supervised!({PulsePort, Python.task("Echo")})}
  end

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
    for value <- @values, do: assert(ask(echo, value) === {:ok, value})
  end

  test "8 MB come back as they went", %{echo: echo} do
    large = :binary.copy("Größe 🙂 ", 600_000)
    assert ask(echo, large) == {:ok, large}
  end

  test "a thousand numbers come back as they went", %{echo: echo} do
    numbers = for n <- 1..1000, do: n / 3
    assert ask(echo, numbers) == {:ok, numbers}
  end

  test "what has no value in Python is this item's error", %{echo: echo} do
    for value <- [self(), make_ref(), &is_list/1, <<1::3>>, [1 | 2], %{[1] => 2}] do
      assert {:error, {:invalid_input, text}} = ask(echo, value)
      assert text =~ "no value"
    end
  end

  test "what is nested too deeply is this item's error", %{echo: echo} do
    deep = Enum.reduce(1..100, 1, fn _, inner -> [inner] end)
    assert {:error, {:invalid_input, text}} = ask(echo, deep)
    assert text =~ "nested deeper than 64"
  end

  test "a binary is text where the task takes text, and bytes where it takes bytes" do
    shout = start_supervised!({PulsePort, Python.task("Shout")}, id: :shout)
    reverse = start_supervised!({PulsePort, Python.task("Reverse")}, id: :reverse)
    assert ask(shout, "größe") == {:ok, "GRÖSSE"}
    assert {:error, {:invalid_input, text}} = ask(shout, <<255>>)
    assert text =~ "Expected `str`"
    assert ask(reverse, <<1, 2, 255>>) == {:ok, <<255, 2, 1>>}
    assert ask(reverse, "abc") == {:ok, "cba"}
  end

  test "a number that the format cannot hold is this item's error" do
    numbers = start_supervised!({PulsePort, Python.task("Numbers")}, id: :numbers)
    assert ask(numbers, "1.5") == {:ok, 1.5}

    for name <- ["nan", "inf", "-inf"] do
      assert {:error, {:model_error, text}} = ask(numbers, name)
      assert text =~ "no form in Erlang"
    end

    assert {:error, {:model_error, "ValueError: could not convert" <> _}} = ask(numbers, "seven")
  end

  test "with a length of 2 bytes a frame ends at 65,535, in both directions" do
    large = start_supervised!({PulsePort, Python.task("Large", packet: 2)}, id: :large)
    assert {:ok, answer} = ask(large, 65_000)
    assert byte_size(answer) == 65_000
    assert {:error, {:model_error, text}} = ask(large, 70_000)
    assert text =~ "65535"
    assert {:error, {:invalid_input, text}} = ask(large, :binary.copy("x", 70_000))
    assert text =~ "over 65535"
    assert {:ok, <<0>>} = ask(large, 1)
  end

  test "with a length of 1 byte a frame ends at 255" do
    echo = start_supervised!({PulsePort, Python.task("Echo", packet: 1)}, id: :small)
    assert ask(echo, "small") == {:ok, "small"}
    assert {:error, {:invalid_input, _}} = ask(echo, :binary.copy("x", 255))
  end
end
