# Everything a developer types. Each target says what it does; `make` alone lists them.

PREFIX ?= /usr/local
DESTDIR ?=

.NOTPARALLEL:
.PHONY: help setup build test test-node test-package docs-test check demo bench bench-fair bench-shares bench-qcow2 vopr mutants torture soak \
	fuzz modules install uninstall clean

help:
	@echo 'make setup     install what is missing (packages of the system, npm modules)'
	@echo 'make build     compile to build/, and make the program, dist/'
	@echo 'make test      setup, build, check, all tests'
	@echo 'make test-node  the short form of the tests on each version of Node.js that users have'
	@echo 'make test-package  install the npm package in an empty project, and mount with it'
	@echo 'make docs-test  run the commands in README.md and docs/; each new one must be run, or have a reason why not'
	@echo 'make check     format, lint, unused code'
	@echo 'make demo      two groups fight, a third is held: bars, a table, a picture (a minute)'
	@echo 'make bench     measure against other servers'
	@echo 'make bench-fair  shares by weight, beside published figures (about 25 minutes)'
	@echo 'make bench-shares  a part of that, second by second (less than 5 minutes)'
	@echo 'make bench-qcow2  qcow2, VMDK and VHDX images beside raw ones and QEMU'
	@echo 'make mutants   put faults into the code, one at a time: the simulator must find them'
	@echo 'make vopr      the whole daemon in a simulator: two minutes of fresh seeds'
	@echo 'make torture   real faults on real mounts; needs root (about 20 minutes)'
	@echo 'make soak      an hour of random mounts; needs root'
	@echo 'make fuzz      hostile bytes for everything that takes bytes (5 minutes)'
	@echo 'make install   install to PREFIX ($(PREFIX)), below DESTDIR if that is set'
	@echo 'make uninstall  remove what make install has made'
	@echo 'make clean     remove build/ and dist/'

setup:
	@tools/setup.sh

# Files of deleted sources would go on being tested: the folder is made anew.
build:
	@rm -rf build
	@npx --no-install tsc
	@npx --no-install tsc -p page
	@node build/tools/bundle.js

check:
	@npx --no-install biome check .
	@npx --no-install knip

# The tests' last line, "N passed, N failed", stays the last line of all.
test: setup build check
	@SLUICE_BUILT=yes node build/tools/run-tests.js

test-node: setup build
	@node build/tools/test-node.js

test-package: setup build
	@node build/tools/test-package.js

docs-test: setup build
	@SLUICE_DOCS=strict npx --no-install ava 'build/test/docs/*.test.js' build/test/tools/man-pages.test.js

demo: setup build
	@node build/tools/demo.js

bench: setup build
	@node build/tools/bench.js

bench-fair: setup build
	@node build/tools/bench-fair.js

bench-shares: setup build
	@node build/tools/bench-fair.js --quick

bench-qcow2: setup build
	@node build/tools/bench-qcow2.js

mutants: setup build
	@node build/tools/mutants.js

vopr: setup build
	@node build/tools/vopr.js --corpus --seconds 120

torture: setup build
	@node build/tools/torture.js

soak: setup build
	@node build/tools/soak.js

fuzz: setup build
	@node build/tools/fuzz.js

# Packages of the system are for tests and measurements: installing needs the npm modules only.
modules:
	@tools/setup.sh modules

install: modules build
	@tools/install.sh install '$(PREFIX)' '$(DESTDIR)'

uninstall:
	@tools/install.sh uninstall '$(PREFIX)' '$(DESTDIR)'

clean:
	rm -rf build dist
