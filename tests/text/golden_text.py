#!/usr/bin/env python3
"""Make golden_text.h5: words, TF-IDF and singular values by scikit-learn and NumPy. Run in this folder.

Sentences: article 1 of the Universal Declaration of Human Rights (United Nations, 1948), and our own. Their words are found
here by blanks and punctuation, which does for these sentences; the program finds them by ICU."""
import re
import unicodedata

import h5py
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

sentences = [
    "All human beings are born free and equal in dignity and rights.",
    "They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, "
    "deben comportarse fraternalmente los unos con los otros.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
    "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "তাঁদের বিবেক এবং বুদ্ধি আছে; সুতরাং সকলেরই একে অপরের প্রতি ভ্রাতৃত্বসুলভ মনোভাব নিয়ে আচরণ করা উচিত।",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "وقد وهبوا عقلًا وضميرًا وعليهم أن يعامل بعضهم بعضًا بروح الإخاء.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "I don't know why, I just can't sleep: it's 3 a m and the radio plays on.",
    "Die Straße ist leer, und über dem Fluss steht der Mond.",
    "Aujourd'hui l'été s'en va, la mer est calme.",
    "Sing, sing, sing it again, sing it until the morning!",
]

# Words that scikit-learn's default pattern tears apart or loses letters of.
torn = ["স্বাধীনতা", "ভালোবাসা", "বৃষ্টি", "মর্যাদা", "हिन्दी", "स्वतन्त्रता", "ज़िन्दगी", "مُحَمَّد", "حُبّ", "شُكْرًا",
        "fu\u0308r", "Mu\u0308tter", "Gro\u0308ße", "e\u0301te\u0301", "aujourd'hui", "franc\u0327ais"]


def words(text):
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return [w for w in re.split(r"[\s.,;:!।]+", text) if w]


pattern = re.compile(r"(?u)\b\w\w+\b")
for w in torn:
    assert pattern.findall(w.lower()) != [w.lower()], w

rng = np.random.default_rng(7)
n = 600
weight = 1.0 / np.arange(1, len(sentences) + 1) ** 0.5
pick = rng.choice(len(sentences), (n, 3), p=weight / weight.sum()).astype("i4")
pick[rng.random((n, 3)) < 0.2] = -1
pick[::50] = -1  # without words: every second of them, 0, 100, ..., has no lyrics, the others have empty ones
docs = [" ".join(" ".join(words(sentences[k])) for k in row if k >= 0) for row in pick]
given = [d for i, d in enumerate(docs) if i % 100]  # an empty text is a document, a track without lyrics is none


def text_column(f, name, texts):
    data = [t.encode() for t in texts]
    f[name] = np.array(data, dtype=f"S{max(map(len, data))}")


def no_tie(**kw):
    """A limit that does not part terms of the same count: which of these stay is not defined by scikit-learn."""
    v = TfidfVectorizer(tokenizer=str.split, token_pattern=None, lowercase=False, **kw)
    counts = np.sort(TfidfVectorizer.__mro__[1].fit_transform(v, given).sum(0).A1)[::-1]
    return next(k for k in range(60, len(counts)) if counts[k] < counts[k - 1])


cases = {
    "plain": dict(ngram_range=(1, 2), min_df=2, max_df=0.95),
    "single": dict(ngram_range=(1, 1), min_df=1, max_df=1.0),
    "long": dict(ngram_range=(2, 4), min_df=0.02, max_df=0.5, sublinear_tf=True),
    "few": dict(ngram_range=(1, 2), min_df=3, max_df=300),
}
cases["few"]["max_features"] = no_tie(**cases["few"])

with h5py.File("golden_text.h5", "w") as f:
    text_column(f, "sentences", sentences)
    text_column(f, "words", ["\n".join(words(s)) for s in sentences])
    text_column(f, "torn", torn)
    f["pick"] = pick
    for name, kw in cases.items():
        v = TfidfVectorizer(tokenizer=str.split, token_pattern=None, lowercase=False, **kw)
        v.fit(given)
        x = v.transform(docs).sorted_indices()  # rows of all tracks; those without words are empty
        g = f.create_group(name)
        g.attrs["options"] = str(kw)
        g["limit"] = np.array([kw.get("max_features", 0)], "i8")
        text_column(g, "terms", v.get_feature_names_out())
        g["df"] = np.bincount(x.indices, minlength=x.shape[1]).astype("i8")
        g["idf"] = v.idf_
        for leaf, data in {"data": x.data.astype("f4"), "indices": x.indices, "indptr": x.indptr.astype("i8")}.items():
            g.create_dataset(leaf, data=data, compression="gzip", shuffle=True)
        print(name, kw, x.shape, x.nnz)
    x = TfidfVectorizer(tokenizer=str.split, token_pattern=None, lowercase=False, **cases["plain"]).fit_transform(given).toarray()
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    k = 14
    f["svd/values"] = s[:k]
    vt = vt[:k] * np.sign(vt[np.arange(k), np.abs(vt[:k]).argmax(1)])[:, None]
    f["svd/axes"] = vt.T
    print("singular values", s[:k + 3])
