"""Reference implementations for the course on sequence modelling.

One module, one concept. A reading order, from counting to GPT:

- the contracts: `lm`, `stepping`, `neural`;
- text to ids: `tokenizers`, `vocab`, `bpe`, `wordpiece`;
- counting: `counts`, `smoothing`, `ngram`, `arpa`, `markov`, `hmm`;
- series: `cleaning`, `windows`, `validation`, `baselines`, `convolution`,
  `forecasting`, and `batching` for sequences of any kind;
- word vectors: `cooccurrence`, `word_sampling`, `word2vec`, `word2vec_losses`,
  `huffman`, `word2vec_fast`, `vectors`, `vector_scores`;
- recurrence: `recurrent_cells`, `recurrent`, `recurrent_kernels`, `recurrent_lm`,
  `recurrent_models`, `bptt`, `finite_differences`, `jacobians`, `mixture`, `strokes`;
- sequence to sequence: `scores`, `recurrent_decoder`, `seq2seq`, `teacher_forcing`,
  `alignment`, `latent`, `annealing`, `captioning`;
- transformers: `masks`, `attention`, `positions`, `blocks`, `kv_cache`, `transformer`,
  `encoder_decoder`, `vision`;
- pre-training: `gpt`, `bert`, `bert_inputs`, `masking`, `finetuning`, `lora`,
  `distillation`, `weights`, `scaling`;
- decoding: `decoding`, `generation`, `beam`;
- scores: `metrics`, `text_metrics`, `forecast_metrics`;
- around them: `training`, `plotting`, `data`.

Modules that the others lean on, and that a first reading can leave out, are `linear`,
`embedding`, `recurrent_base`, `recurrent_padding` and the like.
"""

import time

LOADED_AT = time.perf_counter()
"""When this package was first imported, for `seqcourse.training.page_cost`."""

__version__ = "0.1.0"
