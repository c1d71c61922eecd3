"""PyTorch's plain loop, for ``benchmarks.training``: tensors in memory, an order for each epoch."""

import sys

import torch
from training_table import FEATURES, HIDDEN, RATE, answer, table

rows, batch = int(sys.argv[1]), int(sys.argv[2])
features, targets = (torch.from_numpy(one) for one in table(rows))
targets = targets.long()
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(FEATURES, HIDDEN),
    torch.nn.ReLU(),
    torch.nn.Linear(HIDDEN, HIDDEN),
    torch.nn.ReLU(),
    torch.nn.Linear(HIDDEN, 2),
)
optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
measure = torch.nn.CrossEntropyLoss()


def train(epochs: int) -> float:
    """Train for some epochs more; return the last one's loss."""
    total = torch.tensor(0.0)
    for _ in range(epochs):
        total = torch.tensor(0.0)
        for chosen in torch.randperm(rows).split(batch):
            optimiser.zero_grad()
            loss = measure(model(features[chosen]), targets[chosen])
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(chosen)
    return float(total) / rows


answer(train, f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
