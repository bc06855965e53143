"""Packaging of mailgate: four top-level packages, installed into a virtual environment of their own."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="mailgate",
    version="0.1.0",
    description="An e-mail gateway that puts the offer of a telephone call into ordinary outgoing mail",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    package_dir={"": "."},
    packages=[
        *find_packages(include=["mailgate", "mailgate.*", "smtp_hooks", "smtp_hooks.*", "tokens", "tokens.*"]),
        "templates",
    ],
    package_data={
        "templates": ["*/*", "*/*/*"],
        "mailgate": ["py.typed", "store/*.sql"],
        "smtp_hooks": ["py.typed"],
        "tokens": ["py.typed"],
    },
    exclude_package_data={"templates": ["__pycache__/*", "*/__pycache__/*"]},
    install_requires=[
        "aiosmtpd>=1.4.6,<2",
        "dkimpy>=1.1.8,<2",
        "dnspython>=2.6",
        "email-validator>=2.1,<3",
        "jinja2>=3.1.4,<4",
        "panoramisk>=1.4,<2",
        "sqlite-utils>=4.0,<5",
        "babel>=2.14",
        "click>=8.1",
        "cryptography>=42",
        "fastapi>=0.115",
        "itsdangerous>=2.2",
        "phonenumbers>=8.13.40",
        "prometheus-client>=0.20",
        "pydantic>=2.7,<3",
        "python-multipart>=0.0.12",
        "rich>=13.7",
        "segno>=1.6",
        "uvicorn>=0.30",
        "websockets>=14",
        "uvloop>=0.20; implementation_name == 'cpython'",
    ],
    extras_require={
        "test": [
            "pytest>=8.2",
            "pytest-asyncio>=0.24",
            "pytest-timeout>=2.3",
            "hypothesis>=6.100",
            "httpx>=0.27",
            "playwright>=1.45",
            "html5lib>=1.1",
            "pynacl>=1.5",
        ],
        "lint": ["ruff>=0.6", "mypy>=1.11", "import-linter>=2.0"],
    },
    entry_points={"console_scripts": ["mailgate = mailgate.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Communications :: Email :: Mail Transport Agents",
        "Topic :: Communications :: Telephony",
    ],
)
