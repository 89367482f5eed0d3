"""The prompt as the transformer's layers attend to it, whichever block it is asked for: keys and values of one prompt, or mix of prompts, at a time."""

from model.s2v.conditioning import Conditioning
from model.s2v.text_schedule import Mix
from model.s2v.transformer import S2VTransformer, TextStates


class PromptStates:
    """Keys and values of what holds at a block, at every layer that is here. They are made anew where a block has another prompt: 14B parameters hold .4 GB of them."""

    def __init__(self, transformer: S2VTransformer, conditioning: Conditioning) -> None:
        self._transformer, self._conditioning = transformer, conditioning
        self._held: tuple[Mix, TextStates] | None = None

    def at_block(self, block: int) -> TextStates:
        """Those of a block, counted from the film's beginning; of blocks with the same prompt they are the same bits."""
        mix = self._conditioning.mix_at(block)
        if self._held is None or self._held[0] != mix:
            self._held = None  # its memory goes first
            states = self._conditioning.text_of(mix)
            self._held = mix, self._transformer.embed_text(states)
        return self._held[1]
