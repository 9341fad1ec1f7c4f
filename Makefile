# The face of the build; Meson does the work. `make help` lists what there is.
#
# Every target installs what it needs first (tools/setup says what, and does nothing when all is there).
export WEIR_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/weir
BUILD    = build/release
PREFIX  ?= /usr/local
DESTDIR ?=
# The demo and the tests use another cluster only when told on this command line, never by an
# exported variable: nobody's production gets our demo by accident.
BROKERS    := $(if $(filter command line,$(origin KAFKA_BROKERS)),$(KAFKA_BROKERS))
PROPERTIES := $(if $(filter command line,$(origin KAFKA_PROPERTIES)),$(KAFKA_PROPERTIES))
MODE       := $(if $(filter command line,$(origin KAFKA)),$(KAFKA))
$(if $(filter-out mock,$(MODE)),$(error KAFKA=$(MODE): there is only KAFKA=mock))

.PHONY: all help demo demo-clean check check-all check-rest seeds bench fuzz tidy format install uninstall clean

all: ## builds the release: build/release/src/app/weir and libweir
	@tools/setup build
	@tools/build release

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a real Kafka, the server and two example pipelines; Ctrl-C stops all (KAFKA_BROKERS=host:port, KAFKA_PROPERTIES=file, KAFKA=mock)
	@KAFKA=$(if $(BROKERS)$(filter mock,$(MODE)),none) tools/setup demo
	@tools/build release
	@tools/demo $(if $(BROKERS),--brokers '$(BROKERS)') $(if $(PROPERTIES),--properties '$(PROPERTIES)') $(if $(filter mock,$(MODE)),--mock) $(DEMO_FLAGS)

demo-clean: ## deletes the demo's data
	@tools/demo --clean

check: ## all quick tests with sanitizers, against real peers (TESTS=name runs a part)
	@tools/setup build test
	@tools/check $(if $(TESTS),--only '$(TESTS)')

check-all: ## check, then thread sanitizer, other languages, long tests and acceptance rows
	@tools/setup build test bench interop
	@tools/check --all

check-rest: ## what check-all does beyond check
	@tools/setup build test bench interop
	@tools/check --rest

seeds: ## the acceptance list as a table (ROW=pattern, BUGS=1 runs the planted-bug twins)
	@tools/setup build test interop
	@tools/build release
	@tools/seeds $(if $(ROW),--row '$(ROW)') $(if $(BUGS),--bugs)

bench: ## measures; prints a table and writes build/bench.tsv (BENCH=id runs one)
	@tools/setup build demo bench
	@tools/build release
	@tools/bench $(if $(BENCH),--only '$(BENCH)')

fuzz: ## runs each fuzz target (SECONDS_EACH=60, TARGET=name)
	@tools/setup build test
	@tools/fuzz $(or $(SECONDS_EACH),60) $(TARGET)

tidy: ## layers, format, clang-tidy, cppcheck
	@tools/setup build test
	@tools/tidy

format: ## formats every C file
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: ## what `make` built, into PREFIX (default /usr/local), honours DESTDIR
	@DESTDIR='$(DESTDIR)' tools/install '$(abspath $(PREFIX))'

uninstall: ## removes what install put there
	@DESTDIR='$(DESTDIR)' tools/uninstall $(BUILD)

clean: ## deletes everything built
	@rm -rf build
