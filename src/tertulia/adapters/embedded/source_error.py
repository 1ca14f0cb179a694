"""What goes wrong when a model is fetched."""

from tertulia.kit.errors import Kind, TertuliaError


class SourceError(TertuliaError):
    """A source of models does not give the file."""

    code = "model_source_failed"
    kind = Kind.UPSTREAM
