"""Put conf/, published/ and params.yaml, which lie at the top of a checkout, into the wheel."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHARED = ("conf", "published", "params.yaml")


class BuildWithShared(build_py):
    """Copy what the program reads beside its modules; an editable install reads the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        share = Path(self.build_lib) / "pipeline" / "share"
        shutil.rmtree(share, ignore_errors=True)
        share.mkdir(parents=True)
        for name in SHARED:
            if Path(name).is_dir():
                shutil.copytree(name, share / name)
            else:
                shutil.copy(name, share / name)


setup(cmdclass={"build_py": BuildWithShared})
