################################################################################
#
# semoir
#
################################################################################

# SEMOIR_SOURCES is a folder, SEMOIR_RELEASE the version of the archive in it: both are what scripts/source.sh made of the
# working tree. The version names the commit, and what was changed since, so that a changed source is built anew.
SEMOIR_SOURCES ?= $(abspath $(BR2_EXTERNAL_SEMOIR_PATH)/../target/image/source)
SEMOIR_VERSION = $(or $(SEMOIR_RELEASE),none)
SEMOIR_SITE = file://$(SEMOIR_SOURCES)
SEMOIR_SOURCE = semoir-$(SEMOIR_VERSION).tar.gz
SEMOIR_LICENSE = Apache-2.0
SEMOIR_LICENSE_FILES = LICENSE

# There is no semoir.hash: the archive is made here a moment ago, and nobody else could have written its hash down. The crates
# in it were checked against Cargo.lock when they were put there. Buildroot warns of a missing file of hashes, and goes on.

# Buildroot sets its own defaults for the release profile; these are Cargo.toml's again.
SEMOIR_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="3" \
	CARGO_PROFILE_RELEASE_LTO="thin" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="4"

# The daemon's user. The root is read-only, so that systemd-sysusers could make none when the box starts; and its number is
# fixed, for files on the data partition belong to it across all updates.
define SEMOIR_USERS
	semoir 990 semoir 990 * /var/lib/semoir - - Semoir
endef

# The page is inside the binary. Without this check a source without it would give a box that shows nothing.
define SEMOIR_CHECK_PAGE
	test -s $(@D)/web/dist/index.html
endef
SEMOIR_PRE_BUILD_HOOKS += SEMOIR_CHECK_PAGE

$(eval $(cargo-package))
