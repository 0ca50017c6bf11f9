"""The shapes that the Python products validate: the same as in ../servers/schemas.ts."""
from typing import Literal

from pydantic import BaseModel, Field


class Prompt(BaseModel):
    prompt: str = Field(min_length=1, max_length=1000)
    steps: int = Field(default=25, ge=1, le=100)
    seed: int
    guidance: float = Field(ge=0, le=20)
    format: Literal["png", "jpeg"]
    safe: bool


class Picture(BaseModel):
    url: str
    prompt: str
    seed: int
    steps: int
    width: int
    height: int


class Item(BaseModel):
    seed: int = Field(ge=0)
    prompt: str = Field(min_length=1, max_length=1000)


class Answer(BaseModel):
    seed: int


class Wish(BaseModel):
    count: int
    delay: int


class Line(BaseModel):
    index: int
    text: str


class Note(BaseModel):
    prompt: str = Field(min_length=1, max_length=1000)
    strength: float = Field(ge=0, le=1)
    seed: int
    tags: list[str]


class Rounds(BaseModel):
    rounds: int
