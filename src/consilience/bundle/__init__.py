"""The only bridge to production: a trained model as a folder of arrays, JSON and TOML."""
