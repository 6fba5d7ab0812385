// Package distconsts says where this distribution of the engine finds its files.
//
// Everything lies under /run/dagger, which start-engine.sh makes in the engine's own mount namespace,
// so that the same binary serves from any cache folder.
package distconsts

const (
	EngineContainerName   = "dagger-engine-pytest-dagger-rust"
	DefaultEngineSockAddr = "unix:///run/dagger/engine.sock"
	EngineDefaultStateDir = "/run/dagger/state"

	RuncPath       = "runc"
	DaggerInitPath = "/run/dagger/bin/init"

	// No module SDKs are bundled, so this content store stays empty.
	EngineContainerBuiltinContentDir = "/run/dagger/content"

	// Never created: certificates found here would cost every exec an update-ca-certificates.
	// The images carry the machine's certificates instead.
	EngineCustomCACertsDir = "/run/dagger/ca-certificates"
)

const (
	GoSDKManifestDigestEnvName         = "DAGGER_GO_SDK_MANIFEST_DIGEST"
	PythonSDKManifestDigestEnvName     = "DAGGER_PYTHON_SDK_MANIFEST_DIGEST"
	TypescriptSDKManifestDigestEnvName = "DAGGER_TYPESCRIPT_SDK_MANIFEST_DIGEST"
)

const (
	AlpineImage  = "alpine:3.22"
	GolangImage  = "golang:1.25-alpine"
	BusyboxImage = "busybox:1.37"
)

const OCIVersionAnnotation = "org.opencontainers.image.version"
