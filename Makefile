# Tutti: music to genres on many ranks.  `make help` lists the targets.
#
# Libraries are found by pkg-config, or where a variable (as cluster modules set them) names their folder:
#   MPI_DIR HDF5_DIR FFTW_DIR SCALAPACK_DIR OPENBLAS_DIR SNDFILE_DIR SOXR_DIR ARCHIVE_DIR CYAML_DIR YAML_DIR
#   JANSSON_DIR XXHASH_DIR RANDOM123_DIR CMOCKA_DIR
# Variables: CC, BUILD (build), PREFIX (/usr/local), ARCH (native; ARCH=x86-64 is portable), RANKS (2).

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
ARCH    ?= native
RANKS   ?= 2
ifeq ($(origin CC),default)
CC      := gcc
endif

# --- libraries: $(call cflags,pkg-config name,VARIABLE) and $(call libs,pkg-config name,VARIABLE,-lname)
cflags = $(if $($(2)),-isystem $($(2))/include,$(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(1) 2>/dev/null)))
libs   = $(if $($(2)),-L$($(2))/lib -Wl$(comma)-rpath$(comma)$($(2))/lib $(3),$(or $(shell pkg-config --libs $(1) 2>/dev/null),$(3)))
comma := ,

MPI_CFLAGS := $(or $(call cflags,ompi-c,MPI_DIR),$(patsubst -I%,-isystem %,$(filter -I%,$(shell mpicc --showme:compile 2>/dev/null))))
MPI_LIBS   := $(or $(if $(MPI_DIR)$(shell pkg-config --exists ompi-c && echo y),$(call libs,ompi-c,MPI_DIR,-lmpi)),$(shell mpicc --showme:link 2>/dev/null))

LIB_CFLAGS = $(MPI_CFLAGS) $(call cflags,hdf5-openmpi,HDF5_DIR) $(call cflags,fftw3f,FFTW_DIR) \
  $(call cflags,openblas,OPENBLAS_DIR) $(call cflags,sndfile,SNDFILE_DIR) $(call cflags,soxr,SOXR_DIR) \
  $(call cflags,libarchive,ARCHIVE_DIR) $(call cflags,libcyaml,CYAML_DIR) $(call cflags,yaml-0.1,YAML_DIR) \
  $(call cflags,jansson,JANSSON_DIR) $(call cflags,libxxhash,XXHASH_DIR) $(call cflags,random123,RANDOM123_DIR)
LIB_LIBS = $(call libs,hdf5-openmpi,HDF5_DIR,-lhdf5) $(call libs,fftw3f,FFTW_DIR,-lfftw3f) \
  $(call libs,scalapack-openmpi,SCALAPACK_DIR,-lscalapack) $(call libs,openblas,OPENBLAS_DIR,-lopenblas) \
  $(call libs,sndfile,SNDFILE_DIR,-lsndfile) $(call libs,soxr,SOXR_DIR,-lsoxr) \
  $(call libs,libarchive,ARCHIVE_DIR,-larchive) $(call libs,libcyaml,CYAML_DIR,-lcyaml) \
  $(call libs,yaml-0.1,YAML_DIR,-lyaml) $(call libs,jansson,JANSSON_DIR,-ljansson) $(MPI_LIBS) -lm
LIB_CFLAGS := $(LIB_CFLAGS)
LIB_LIBS   := $(LIB_LIBS)
# A serial OpenBLAS must win over a threaded one that is installed beside it.
BLAS_RPATH := $(patsubst -L%,-Wl$(comma)-rpath$(comma)%,$(filter -L%,$(shell pkg-config --libs-only-L openblas 2>/dev/null)))

WARNINGS := -Wall -Wextra -Wshadow -Wconversion
CFLAGS   ?= -O3 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(CFLAGS) $(if $(ARCH),-march=$(ARCH)) -ffp-contract=fast -fno-math-errno \
  -fopenmp-simd $(WARNINGS) -Iinclude -Isrc -DTT_VERSION='"$(VERSION)"' $(SANITIZE) $(LIB_CFLAGS)
ALL_LIBS = $(SANITIZE) $(LDFLAGS) $(BLAS_RPATH) $(LIB_LIBS)

LIB_SRC  := $(filter-out src/cli/%,$(wildcard src/*/*.c))
CLI_SRC  := $(wildcard src/cli/*.c)
TEST_SRC := $(wildcard tests/*/test_*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(BUILD)/%.o)
TESTS    := $(TEST_SRC:%.c=$(BUILD)/%)

all: $(BUILD)/tutti ## build the program and the library

$(BUILD)/tutti: $(CLI_OBJ) $(BUILD)/libtutti.a
	$(CC) -o $@ $^ $(ALL_LIBS)

$(BUILD)/libtutti.a: $(LIB_OBJ)
	rm -f $@
	ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(BUILD)/libtutti.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests -DTT_TESTS='"$(CURDIR)/tests"' -MMD -MP -o $@ $< $(BUILD)/libtutti.a $(call libs,cmocka,CMOCKA_DIR,-lcmocka) $(ALL_LIBS)

tests: $(TESTS)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16

clean: ## remove the build
	rm -rf $(BUILD)

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(TESTS:=.d)
.PHONY: all tests help clean
