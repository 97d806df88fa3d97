import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors
from sklearn.decomposition import PCA

from seqcourse.vectors import EPSILON, WordVectors, pca
from seqcourse.vocab import Vocab

V, D = 31, 5
WORDS = [f"w{i}" for i in range(V)]


def vectors() -> WordVectors:
    return WordVectors(Vocab(WORDS), np.random.default_rng(0).standard_normal((V, D)))


def theirs() -> KeyedVectors:
    keyed = KeyedVectors(D, dtype=np.float64)
    keyed.add_vectors(WORDS, vectors().matrix)
    return keyed


def assert_same(ours, expected):
    assert [w for w, _ in ours] == [w for w, _ in expected]
    np.testing.assert_allclose([s for _, s in ours], [s for _, s in expected], rtol=1e-6)


def test_similarity_is_gensims():
    assert vectors().similarity("w3", "w7") == pytest.approx(theirs().similarity("w3", "w7"))
    assert vectors().similarity("w3", "w3") == pytest.approx(1)


def test_neighbours_are_gensims():
    assert_same(vectors().nearest("w5", n=7), theirs().most_similar("w5", topn=7))
    query = np.arange(1.0, D + 1)
    assert_same(vectors().nearest(query, n=7), theirs().similar_by_vector(query, topn=7))


def test_neighbours_may_be_excluded():
    first, second, third = (w for w, _ in vectors().nearest("w5", n=3))
    assert [w for w, _ in vectors().nearest("w5", n=2, exclude=[second])] == [first, third]
    assert len(vectors().nearest("w5", n=1_000)) == V - 1


def test_analogies_are_gensims():
    ours = vectors().analogy("w1", "w2", "w3", n=11)
    assert_same(ours, theirs().most_similar(positive=["w2", "w3"], negative=["w1"], topn=11))


def test_multiplied_analogies_are_their_definition():
    ours = vectors().analogy("w1", "w2", "w3", n=11, method="multiply")
    model = vectors()
    for word, score in ours:
        a, b, c = ((model.similarity(word, other) + 1) / 2 for other in ("w1", "w2", "w3"))
        assert score == pytest.approx(b * c / (a + EPSILON))


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")  # by gensim itself
def test_multiplied_analogies_are_gensims(monkeypatch):
    monkeypatch.setattr("seqcourse.vectors.EPSILON", 1e-6)  # gensim's
    ours = vectors().analogy("w1", "w2", "w3", n=11, method="multiply")
    unit = KeyedVectors(D, dtype=np.float64)  # gensim does not scale the vectors there
    unit.add_vectors(WORDS, vectors().unit)
    theirs = unit.most_similar_cosmul(positive=["w2", "w3"], negative=["w1"], topn=11)
    assert_same(ours, theirs)


def test_an_analogy_by_hand():
    # the step from man to king is (2, 0); woman moved by it is queen
    matrix = np.array([[1.0, 1.0], [3.0, 1.0], [1.0, -1.0], [3.0, -1.0], [-5.0, 0.0]])
    made = WordVectors(Vocab(["man", "king", "woman", "queen", "frog"]), matrix)
    for method in ("add", "multiply"):
        assert made.analogy("man", "king", "woman", n=1, method=method)[0][0] == "queen"
        assert [w for w, _ in made.analogy("man", "king", "woman", method=method)] == [
            "queen",
            "frog",
        ]


def test_a_zero_vector_is_near_to_nothing():
    made = WordVectors(Vocab(["zero", "one"]), np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert made.similarity("zero", "one") == 0


def test_float32_stays_float32():
    made = WordVectors(Vocab(WORDS), vectors().matrix.astype(np.float32))
    assert made.unit.dtype == np.float32


def test_saving_keeps_everything(tmp_path):
    vocab = Vocab(["naïve", "</s>", "<unk>", "\0 odd\n"], unk="<unk>", end="</s>")
    made = WordVectors(vocab, np.random.default_rng(0).random((4, D)).astype(np.float32))
    made.save(tmp_path / "some.vectors")
    back = WordVectors.load(tmp_path / "some.vectors")
    assert (back.matrix == made.matrix).all()
    assert back.matrix.dtype == np.float32
    assert (back.vocab.tokens, back.vocab.unk, back.vocab.end) == (vocab.tokens, "<unk>", "</s>")


def test_no_pickle_is_ever_read(tmp_path):
    np.savez(tmp_path / "bad.npz", matrix=np.array([{}], dtype=object), vocab=np.zeros(1))
    with pytest.raises(ValueError, match="not a file of WordVectors.save"):
        WordVectors.load(tmp_path / "bad.npz")


@pytest.mark.parametrize("content", [b"hello", b"", b"PK\3\4 cut short"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ValueError, match="not a file of WordVectors.save"):
        WordVectors.load(tmp_path / "other")
    np.savez(tmp_path / "other.npz", weights=np.ones(3))
    with pytest.raises(ValueError, match="not a file of WordVectors.save"):
        WordVectors.load(tmp_path / "other.npz")
    np.save(tmp_path / "other.npy", np.ones(3))
    with pytest.raises(ValueError, match="not a file of WordVectors.save"):
        WordVectors.load(tmp_path / "other.npy")


@pytest.mark.parametrize("header", [True, False])
def test_text_files_of_gensim_are_read(tmp_path, header):
    path = tmp_path / "vectors.txt"
    theirs().save_word2vec_format(str(path), write_header=header)
    back = WordVectors.load_text(path)
    assert back.vocab.tokens == tuple(WORDS)
    np.testing.assert_allclose(back.matrix, vectors().matrix, rtol=1e-6)


def test_bad_text_files_are_explained(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("2 2\na 1 2\nb 3\n")
    with pytest.raises(ValueError, match="line 3 of .* a word and 2 numbers, but has 2 parts"):
        WordVectors.load_text(path)
    path.write_text("lonely\n")
    with pytest.raises(ValueError, match="line 1 of .* a word and 1 numbers, but has 1 parts"):
        WordVectors.load_text(path)
    path.write_text("\n")
    with pytest.raises(ValueError, match="has no vectors"):
        WordVectors.load_text(path)


@pytest.mark.parametrize("freeze", [True, False])
def test_an_embedding_starts_from_the_vectors_and_leaves_them_alone(freeze):
    made = vectors()
    before = made.matrix.copy()
    layer = made.to_embedding(freeze=freeze)
    ids = torch.tensor([[3, 7], [11, 3]])
    np.testing.assert_allclose(layer(ids).detach().numpy(), before[ids.numpy()], rtol=1e-6)
    assert layer.weight.requires_grad is not freeze
    with torch.no_grad():
        layer.weight += 1
    assert (made.matrix == before).all()


def test_pca_is_scikit_learns():
    matrix = vectors().matrix
    flat, share = pca(matrix, 3)
    theirs = PCA(3).fit(matrix)
    np.testing.assert_allclose(flat, theirs.transform(matrix), atol=1e-12)
    np.testing.assert_allclose(share, theirs.explained_variance_ratio_)
    assert pca(matrix)[0].shape == (V, 2)


def test_unknown_words_are_met_with_words_spelt_like_them():
    made = WordVectors(Vocab(["<unk>", "king", "kings", "frog"], unk="<unk>"), np.ones((4, 1)))
    with pytest.raises(KeyError, match="'kinf' is not among the 4 words .* 'king' or 'kings'"):
        made["kinf"]
    with pytest.raises(KeyError, match=r"'xyz' is not among the 4 words that have vectors.\""):
        made.similarity("xyz", "king")
    assert "kinf" not in made
    assert made["frog"].tolist() == [1]
    assert (len(made), repr(made)) == (4, "WordVectors(4 words, D = 1)")


def test_bad_input_is_explained(unchecked_shapes):
    for shape in ((V - 1, D), (V,), (V, 0)):
        with pytest.raises(ValueError, match=r"matrix must have shape \(31, D\)"):
            WordVectors(Vocab(WORDS), np.ones(shape))
    broken = np.ones((V, D))
    broken[7, 2] = np.nan
    with pytest.raises(ValueError, match="the vector of 'w7' is not finite"):
        WordVectors(Vocab(WORDS), broken)
    with pytest.raises(ValueError, match="n must be at least 1, but is 0"):
        vectors().nearest("w1", n=0)
    with pytest.raises(ValueError, match=r"vector of 5 numbers, but has shape \(3,\)"):
        vectors().nearest(np.ones(3))
    with pytest.raises(ValueError, match="method must be one of .* but is 'divide'"):
        vectors().analogy("w1", "w2", "w3", method="divide")
    for n in (0, 6):
        with pytest.raises(ValueError, match=f"n must be within 1 … 5 here, but is {n}"):
            pca(vectors().matrix, n)
