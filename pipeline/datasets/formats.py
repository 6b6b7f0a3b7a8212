"""List the image formats that are read here, and those that are recognised but not read."""

import re
from contextlib import suppress
from functools import cache
from importlib import import_module

from PIL import Image

_BUILT_IN = (
    *("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF"),
    *("ICO", "CUR", "ICNS", "QOI", "DIB", "PCX", "SGI", "DDS", "PSD", "TGA"),
)
"""The formats that Pillow itself reads, recognised by content, not by name. EPS, PDF and WMF are
left out: decoding them runs a program. TGA has no signature and comes last."""

_OPTIONAL = {"HEIF": ("pillow_heif", "heif"), "JXL": ("pillow_jxl", "jxl")}
"""By format: the package that reads it, and the extra of this project that installs it."""

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II\*\0|MM\0\*",
    "WEBP": rb"RIFF....WEBP",
    "AVIF": rb"....ftypavi[fs]",
    "HEIF": rb"....ftyp(?:hei[cfmsx]|hev[cmsx]|mif1|msf1)",
    "JXL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG2000": rb"\0\0\0\x0cjP  ",
    "QOI": rb"qoif",
    "PSD": rb"8BPS",
    "DDS": rb"DDS ",
    "ICNS": rb"icns",
}
"""First bytes that identify a format whatever the file's name is. Weaker signatures (BMP, ICO)
count only together with the name."""

SIGNATURE_BYTES = 12

_SUFFIXES = {"HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"), "JXL": (".jxl",)}
_UNREAD_SUFFIXES = """
.svg .svgz .eps .ps .pdf .ai .wmf .emf .xcf .kra .exr .hdr .dcm .nii .fits .fit .djvu
.dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .rwl .raw
.bpg .flif .jxr .wdp .hdp .czi .nd2 .svs .ndpi .mrxs
"""
_UNREAD = frozenset(_UNREAD_SUFFIXES.split())
"""Suffixes of images that are not read here. Raw files of cameras begin like TIFF, but a TIFF
reader would only find their thumbnail."""


@cache
def formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are read, including those of installed plugins."""
    return (*_BUILT_IN[:-1], *(name for name in _OPTIONAL if _registered(name)), _BUILT_IN[-1])


def is_read(suffix: str) -> bool:
    """Return whether files with this suffix (such as ``.jpg``) are images that can be read here."""
    return suffix.lower() in _suffixes() - _UNREAD


def signature(head: bytes) -> str | None:
    """Return the format that the first ``SIGNATURE_BYTES`` of a file state, or None."""
    matching = (name for name, each in _SIGNATURES.items() if re.match(each, head, re.DOTALL))
    return next(matching, None)


def unread_reason(suffix: str, head: bytes = b"") -> str | None:
    """Return why an image of a format without a reader is left out; None if it is not an image."""
    suffix = suffix.lower()
    for name, (_, extra) in _OPTIONAL.items():
        if name not in formats() and (suffix in _SUFFIXES[name] or signature(head) == name):
            return f"there is no reader for them: pip install 'vdtransfer[{extra}]'"
    if suffix in _UNREAD:
        return "there is no reader for them: save them as PNG or JPEG"
    return None


def _registered(name: str) -> bool:
    """Register Pillow's plugin for a format, if it is installed; return whether it is."""
    package, _ = _OPTIONAL[name]
    with suppress(ImportError):
        plugin = import_module(package)
        if name == "HEIF":
            plugin.register_heif_opener()
        return name in Image.OPEN
    return False


@cache
def _suffixes() -> frozenset[str]:
    read = formats()  # call it first: it may register more formats
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in read)
