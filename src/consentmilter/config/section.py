"""What every section of the configuration file is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the file; keys that it does not know are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        defer_build=True,  # one validator for the whole file when it is read, and not one for each section before that
    )
