"""The solo engine: real CometBFT blocks of one validator over any `abci.Application`. Begin reading at `solo`."""
