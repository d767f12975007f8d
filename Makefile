# Tutti: music to genres on many ranks.  `make help` lists the targets.
#
# Libraries are found by pkg-config, or where a variable (as cluster modules set them) names their folder:
#   MPI_DIR HDF5_DIR FFTW_DIR SCALAPACK_DIR OPENBLAS_DIR SNDFILE_DIR SOXR_DIR ARCHIVE_DIR CYAML_DIR YAML_DIR
#   JANSSON_DIR XXHASH_DIR RANDOM123_DIR ICU_DIR STEMMER_DIR CLD2_DIR DNNL_DIR CMOCKA_DIR
# Variables: CC, BUILD (build), PREFIX (/usr/local), ARCH (native; ARCH=x86-64 is portable), RANKS (2), V=1 (show commands).

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
ARCH    ?= native
RANKS   ?= 2
ifeq ($(origin CC),default)
CC      := gcc
endif

# --- libraries: $(call cflags,pkg-config names,VARIABLE) and $(call libs,pkg-config names,VARIABLE,-lname)
# Of several names the first that pkg-config knows is taken: Debian's, then upstream's.
comma := ,
known  = $(firstword $(foreach name,$(1),$(shell pkg-config --exists $(name) 2>/dev/null && echo $(name))))
cflags = $(if $($(2)),-isystem $($(2))/include,$(if $(known),$(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(known)))))
libs   = $(if $($(2)),-L$($(2))/lib -Wl$(comma)-rpath$(comma)$($(2))/lib $(3),$(or $(if $(known),$(shell pkg-config --libs $(known))),$(3)))

MPI_CFLAGS := $(if $(MPI_DIR)$(call known,ompi-c),$(call cflags,ompi-c,MPI_DIR),$(patsubst -I%,-isystem %,$(filter -I%,$(shell mpicc --showme:compile 2>/dev/null))))
MPI_LIBS   := $(if $(MPI_DIR)$(call known,ompi-c),$(call libs,ompi-c,MPI_DIR,-lmpi),$(shell mpicc --showme:link 2>/dev/null))

# A serial OpenBLAS must win over a threaded one that is installed beside it, also where ScaLAPACK asks for a BLAS:
# an RPATH (not RUNPATH) reaches the libraries of libraries.
BLAS_FOLDER := $(if $(OPENBLAS_DIR),,$(patsubst -L%,%,$(filter -L%,$(shell pkg-config --libs-only-L openblas 2>/dev/null))))
BLAS_FOLDER := $(firstword $(wildcard $(addsuffix /../openblas-serial,$(BLAS_FOLDER))) $(BLAS_FOLDER))
BLAS_RPATH  := $(if $(BLAS_FOLDER),-L$(abspath $(BLAS_FOLDER)) -Wl$(comma)--disable-new-dtags$(comma)-rpath$(comma)$(abspath $(BLAS_FOLDER)))

LIB_CFLAGS := $(MPI_CFLAGS) $(call cflags,hdf5-openmpi hdf5,HDF5_DIR) $(call cflags,fftw3f,FFTW_DIR) $(call cflags,fftw3,FFTW_DIR) \
  $(call cflags,openblas,OPENBLAS_DIR) $(call cflags,sndfile,SNDFILE_DIR) $(call cflags,soxr,SOXR_DIR) \
  $(call cflags,libarchive,ARCHIVE_DIR) $(call cflags,libcyaml,CYAML_DIR) $(call cflags,yaml-0.1,YAML_DIR) \
  $(call cflags,jansson,JANSSON_DIR) $(call cflags,libxxhash,XXHASH_DIR) $(call cflags,random123,RANDOM123_DIR) \
  $(call cflags,icu-uc,ICU_DIR) $(call cflags,,STEMMER_DIR) $(call cflags,,CLD2_DIR) $(call cflags,dnnl,DNNL_DIR)
LIB_LIBS := $(BLAS_RPATH) $(call libs,hdf5-openmpi hdf5,HDF5_DIR,-lhdf5) $(call libs,fftw3f,FFTW_DIR,-lfftw3f) $(call libs,fftw3,FFTW_DIR,-lfftw3) \
  $(call libs,scalapack-openmpi scalapack,SCALAPACK_DIR,-lscalapack) $(call libs,openblas,OPENBLAS_DIR,-lopenblas) \
  $(call libs,sndfile,SNDFILE_DIR,-lsndfile) $(call libs,soxr,SOXR_DIR,-lsoxr) \
  $(call libs,libarchive,ARCHIVE_DIR,-larchive) $(call libs,libcyaml,CYAML_DIR,-lcyaml) \
  $(call libs,yaml-0.1,YAML_DIR,-lyaml) $(call libs,jansson,JANSSON_DIR,-ljansson) \
  $(call libs,icu-uc,ICU_DIR,-licuuc) $(call libs,,STEMMER_DIR,-lstemmer) \
  $(call libs,,CLD2_DIR,-lcld2) $(call libs,dnnl,DNNL_DIR,-ldnnl) $(MPI_LIBS) -lm
CMOCKA_LIBS := $(call libs,cmocka,CMOCKA_DIR,-lcmocka)
CMOCKA_CFLAGS := $(call cflags,cmocka,CMOCKA_DIR)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion
CFLAGS   ?= -O3 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(CFLAGS) $(if $(ARCH),-march=$(ARCH)) -ffp-contract=fast -fno-math-errno \
  -fopenmp-simd -pthread $(WARNINGS) -Iinclude -Isrc -DTT_VERSION='"$(VERSION)"' $(SANITIZE) $(LIB_CFLAGS)
TEST_CFLAGS = $(ALL_CFLAGS) -Itests -DTT_TESTS='"$(CURDIR)/tests"' $(CMOCKA_CFLAGS)
ALL_LIBS = -pthread $(SANITIZE) $(LDFLAGS) $(LIB_LIBS)

LIB_SRC  := $(filter-out src/cli/%,$(wildcard src/*/*.c))
CLI_SRC  := $(wildcard src/cli/*.c)
TEST_SRC := $(wildcard tests/*/test_*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(BUILD)/%.o)
TESTS    := $(TEST_SRC:%.c=$(BUILD)/%)
FORMATTED := $(wildcard tools/bench/*.c include/tutti/*.h src/*/*.[ch] tests/*.h tests/*/*.[ch])
SCRIPTS  := $(wildcard tools/*.sh tools/bench/*.sh tests/*/*.sh jobs/*.sbatch jobs/*.conf) tests/run .ci/run

# One short line per command, or with V=1 the command itself.
Q   := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')

# A make inside make uses every core, unless the user said how many.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

all: $(BUILD)/tutti ## build the program and the library

$(BUILD)/tutti: $(CLI_OBJ) $(BUILD)/libtutti.a
	$(call say,link $@)
	$(Q)$(CC) -o $@ $^ $(ALL_LIBS)

$(BUILD)/libtutti.a: $(LIB_OBJ) $(BUILD)/sources
	$(call say,archive $@)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $(LIB_OBJ)

# Files that change when what they say changes: a source that went away leaves the library, other flags build anew.
$(BUILD)/sources: TEXT = $(LIB_SRC) $(CLI_SRC)
$(BUILD)/flags: TEXT = $(CC) $(ALL_CFLAGS)
$(BUILD)/sources $(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(TEXT))' | cmp -s - $@ || echo '$(subst ','\'',$(TEXT))' > $@
FORCE:

# The .d file beside an object names the headers for the object and for its lint stamp.
DEPEND = -MMD -MP -MT $@ -MT $(BUILD)/lint/$(<:.c=.ok)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $<)
	$(Q)$(CC) $(ALL_CFLAGS) $(DEPEND) -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(BUILD)/libtutti.a
	@mkdir -p $(@D)
	$(call say,compile $<)
	$(Q)$(CC) $(TEST_CFLAGS) $(DEPEND) -o $@ $< $(BUILD)/libtutti.a $(CMOCKA_LIBS) $(ALL_LIBS)

tests: $(TESTS)

$(BUILD)/bench/%: tools/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,compile $<)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< $(ALL_LIBS)

# --- set-up.  Flags above come from pkg-config when make starts: what needs them is made by a second make.
deps: ## install the libraries and tools that are missing (apt), or say how
	@tools/deps.sh

$(BUILD)/deps-%: tools/deps.sh
	@tools/deps.sh $(subst +, ,$*)
	@mkdir -p $(@D) && touch $@

demo: $(BUILD)/deps-build+plots ## from nothing to genres: synthetic music, the whole line on RANKS ranks
	@$(SUBMAKE) all
	@. tools/mpienv.sh; mpirun -n $(RANKS) $(BUILD)/tutti synth --tracks 150 --broken 0.02 --format csv --out data/demo
	@. tools/mpienv.sh; mpirun -n $(RANKS) $(BUILD)/tutti run configs/demo.yaml --run run/demo
	@echo 'next: your own music, a folder genre/track.ext: $(BUILD)/tutti run --run run/mine --set corpus.path=FOLDER'

demo-music: $(BUILD)/deps-build+plots ## the same on eleven hours of real music from Debian packages
	@$(SUBMAKE) all
	@tools/demo-music.sh data/music
	@. tools/mpienv.sh; mpirun -n $(RANKS) $(BUILD)/tutti run configs/music.yaml --run run/music

# --- tests
check: $(BUILD)/deps-build+plots+test+try-slurm ## build and run every test: 1, 2, 3, 5, 8 ranks, lint, SLURM
	@$(SUBMAKE) all tests
	@tests/run -b $(BUILD)

check-slurm: $(BUILD)/deps-build+plots+slurm ## run jobs/pipeline.sbatch on a real SLURM of several nodes on this machine
	@$(SUBMAKE) all
	@tests/run -b $(BUILD) slurm/

asan: ## the tests under the address and undefined-behaviour sanitizers, 1 and 3 ranks
	@$(SUBMAKE) BUILD=$(BUILD)/asan CFLAGS='-O1 -g -fno-omit-frame-pointer' \
	  SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' all tests
	@ASAN_OPTIONS=fast_unwind_on_malloc=0 LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 \
	  tests/run -b $(BUILD)/asan -n "1 3" -c

soak: all ## kill KILLS (100) runs at random moments, and run each again
	@. tools/mpienv.sh; TT_SCRATCH=$$(mktemp -d) && export TT_SCRATCH && \
	  TT_BUILD=$(abspath $(BUILD)) KILLS=$(or $(KILLS),100) SEED=$(or $(SEED),1) tests/pipeline/test_kill.sh && rm -rf "$$TT_SCRATCH"

scale: all ## extract CLIPS (100000) clips of 64 shards on 1 to 8 ranks, stopped, killed and out of disk: the same bits
	@TT_BUILD=$(abspath $(BUILD)) tests/features/scale.sh

bench: $(BUILD)/deps-build+plots+try-bench ## measure against peers: all of tools/bench/, or AREAS="line extract ..."
	@$(SUBMAKE) all $(BUILD)/bench/sound
	@TT_BUILD=$(BUILD) tools/bench.sh $(AREAS)

models: $(BUILD)/deps-build+plots+try-bench ## which model shows the classes of CORPUS (a folder genre/track.ext, CSV or shards)? SETTINGS="KEY.SUB=VALUE ..."
	@$(SUBMAKE) all
	@[ -n "$(CORPUS)" ] || { echo 'make models: say which: CORPUS=data/music' >&2; exit 2; }
	@. tools/mpienv.sh; TUTTI=$(abspath $(BUILD)/tutti) RANKS=$(RANKS) /usr/bin/python3 tools/models.py "$(CORPUS)" $(SETTINGS)

# Each target of tests/fuzz with libFuzzer, which is clang's, in a build of its own of the rooms that read.
FUZZ_OBJ := $(filter $(addprefix $(BUILD)/src/,base/% par/% store/% corpus/% audio/% vae/defaults.o \
  $(addprefix pipeline/,config.o settings.o yaml.o)),$(LIB_OBJ))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
SANITIZE_FUZZ := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined

fuzz: ## the readers of audio, tar, CSV and YAML on changed inputs, FUZZ_SECONDS (600) each
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) TT_BUILD=$(abspath $(BUILD)) tests/fuzz/test_fuzz.sh

fuzz-build:
	@$(SUBMAKE) BUILD=$(BUILD)/fuzz CC=clang CFLAGS='-O1 -g -fno-omit-frame-pointer' SANITIZE='$(SANITIZE_FUZZ)' fuzzers

fuzzers: $(FUZZERS) $(BUILD)/seeds

$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_OBJ)
	$(call say,compile $<)
	$(Q)$(CC) $(TEST_CFLAGS) -fsanitize=fuzzer $(DEPEND) -o $@ $< $(FUZZ_OBJ) $(ALL_LIBS)

$(BUILD)/seeds: tests/fuzz/seeds.c $(BUILD)/flags
	$(call say,compile $<)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=address $(DEPEND) -o $@ $< $(ALL_LIBS)

# --- lint: a stamp per file, so that a second run looks only at what changed
LINTED := $(patsubst %.c,$(BUILD)/lint/%.ok,$(LIB_SRC) $(CLI_SRC) $(TEST_SRC)) $(SCRIPTS:%=$(BUILD)/lint/%.ok)

lint: ## clang-format, clang-tidy, cppcheck and shellcheck
	@$(SUBMAKE) -k -Otarget lint-files

lint-files: $(LINTED) $(BUILD)/lint/format.ok

$(BUILD)/lint/format.ok: $(FORMATTED) .clang-format
	@mkdir -p $(@D)
	@echo lint the layout of all C files
	@clang-format --dry-run -Werror $(FORMATTED)
	@touch $@

CPPCHECK := cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,performance,portability \
  --suppress=missingIncludeSystem -Iinclude -Isrc -Itests

$(BUILD)/lint/%.ok: %.c .clang-tidy $(BUILD)/flags
	@mkdir -p $(@D)
	@echo lint $<
	@clang-tidy --quiet --warnings-as-errors='*' $< -- $(TEST_CFLAGS) 2>&1 | { ! grep -vE '^[0-9]+ warnings? (generated|treated)'; }
	@$(CPPCHECK) $<
	@touch $@

$(SCRIPTS:%=$(BUILD)/lint/%.ok): $(BUILD)/lint/%.ok: %
	@mkdir -p $(@D)
	@echo lint $<
	@shellcheck -x -s bash $<
	@touch $@

format: ## lay out the C files by .clang-format
	@clang-format -i $(FORMATTED)

# --- install
FILL = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@CFLAGS@|$(LIB_CFLAGS)|' -e 's|@LIBS@|$(LIB_LIBS)|'

install: all ## install below PREFIX (and DESTDIR): program, library, headers, pkg-config, man page, configs, jobs
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include/tutti share/man/man1 share/tutti/configs share/tutti/jobs)
	install -m 755 $(BUILD)/tutti $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BUILD)/libtutti.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/tutti/*.h $(DESTDIR)$(PREFIX)/include/tutti/
	install -m 644 $(wildcard configs/*.yaml) $(DESTDIR)$(PREFIX)/share/tutti/configs/
	install -m 644 jobs/* $(DESTDIR)$(PREFIX)/share/tutti/jobs/
	$(FILL) tools/tutti.1 > $(DESTDIR)$(PREFIX)/share/man/man1/tutti.1
	$(FILL) tools/tutti.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/tutti.pc

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16

clean: ## remove the build
	rm -rf $(BUILD)

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(TESTS:=.d) $(FUZZERS:=.d)
.PHONY: FORCE all bench models fuzz fuzz-build fuzzers tests deps demo demo-music check check-slurm asan soak scale lint lint-files format install help clean
