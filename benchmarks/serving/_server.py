"""Half of bench_load.py: our server around the MiniLM model of _minilm.py, as `consilience serve` runs it.

python benchmarks/serving/_server.py FOLDER PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from _minilm import model

from consilience.serve import logs
from consilience.serve.config import ServeConfig
from consilience.serve.connection import Connection
from consilience.serve.engine import Engine
from consilience.serve.metrics import Metrics
from consilience.serve.rest import application


def main() -> None:
    logs.start()
    app = application(Engine(model(Path(sys.argv[1])), ServeConfig(), Metrics()))
    uvicorn.run(app, port=int(sys.argv[2]), http=Connection, ws="none", log_config=None, access_log=False)


if __name__ == "__main__":
    main()
