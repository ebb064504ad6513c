// swift-tools-version: 6.2
import PackageDescription

/// The `torch` folder of a PyTorch installation: `Tools/setup.sh` fills `.libtorch`.
let torch = Context.environment["LIBTORCH"] ?? "\(Context.packageDirectory)/.libtorch/torch"
let cuda = "\(torch)/../nvidia/cu13/lib"

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["TestSupport"],
    swiftSettings: swiftSettings + [.unsafeFlags(["-Onone"])])
}

/// libtorch's headers, for C++ targets.
let torchHeaders: [CXXSetting] = [
  .unsafeFlags([
    "-isystem", "\(torch)/include", "-isystem", "\(torch)/include/torch/csrc/api/include",
  ])
]

let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let collections: Target.Dependency = .product(
  name: "OrderedCollections", package: "swift-collections")
let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "TempFlow",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Torch", targets: ["Torch"]),
    .library(name: "TempFlow", targets: ["TempFlow"]),
    .library(name: "DiffusionModels", targets: ["DiffusionModels"]),
    .executable(name: "tempflow", targets: ["TempFlowCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .target(
      name: "CTorch",
      exclude: ["gloo/README.md"],
      cxxSettings: torchHeaders + [.headerSearchPath("gloo")],
      linkerSettings: [
        .unsafeFlags([
          "-L\(torch)/lib", "-ltorch_cpu", "-lc10",
          "-Xlinker", "-rpath", "-Xlinker", "\(torch)/lib",
          "-Xlinker", "-rpath-link", "-Xlinker", cuda,
        ])
      ]),
    .target(name: "CRowThreads", dependencies: ["CTorch"], cxxSettings: torchHeaders),
    .target(
      name: "CCPUKernels", dependencies: ["CTorch", "CRowThreads"], cxxSettings: torchHeaders),
    .systemLibrary(
      name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"]), .brew(["libpng"])]),
    .systemLibrary(
      name: "CTurboJPEG", pkgConfig: "libturbojpeg",
      providers: [.apt(["libturbojpeg0-dev"]), .brew(["jpeg-turbo"])]),
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl",
      providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
    library("Foundations", []),
    library("Recipes", ["Foundations", yams]),
    library("Runs", ["Foundations"]),
    library("Torch", ["Foundations", "CTorch", "CRowThreads"]),
    library("ProcessGroups", ["Foundations", "CTorch", "Torch"]),
    library("TextTokenizers", ["Foundations"]),
    library("ImageFiles", ["Foundations", "CPNG", "CTurboJPEG"]),
    library("ShapeScenes", ["Foundations", "ImageFiles"]),
    library("TorchNN", ["Torch", collections]),
    .target(
      name: "CPUKernels", dependencies: ["CCPUKernels", "Torch", "TorchNN"],
      exclude: ["README.md"], swiftSettings: swiftSettings),
    library("FlowMatching", ["Torch"]),
    library(
      "DiffusionModels",
      ["Foundations", "Torch", "TorchNN", "TextTokenizers", "FlowMatching", "ImageFiles"]),
    library("TempFlow", ["Foundations", "Torch", "FlowMatching"]),
    library(
      "Rewards",
      [
        "CCurl", "Foundations", "Recipes", "Torch", "TorchNN", "DiffusionModels", "TextTokenizers",
        "ImageFiles", "ShapeScenes",
      ]),
    library(
      "Training",
      [
        "Foundations", "Recipes", "Runs", "Torch", "TorchNN", "FlowMatching", "TempFlow",
        "DiffusionModels", "TextTokenizers", "ImageFiles", "ShapeScenes",
        "Rewards", "ProcessGroups",
      ]),
    library("Dashboard", ["Foundations", "Recipes", "Runs", "ImageFiles"]),
    .executableTarget(
      name: "TempFlowCLI",
      dependencies: [
        "Training", "Dashboard", "CPUKernels", "Foundations", "Recipes", "Runs", "Torch", "TorchNN",
        "DiffusionModels", "FlowMatching", "ImageFiles", "Rewards", "ProcessGroups",
        argumentParser,
      ],
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "points", dependencies: ["TempFlow"], path: "Examples/points",
      swiftSettings: swiftSettings),
    .target(
      name: "TestSupport", dependencies: ["Torch", "TorchNN", "CPUKernels"],
      path: "Tests/TestSupport", swiftSettings: swiftSettings),
    .executableTarget(
      name: "ProcessGroupWorker", dependencies: ["ProcessGroups", "Runs", "Torch"],
      path: "Tests/ProcessGroupWorker", swiftSettings: swiftSettings),
    .testTarget(name: "PackageTests", swiftSettings: swiftSettings),
    tests("FoundationsTests", ["Foundations"]),
    tests("RecipesTests", ["Foundations", "Recipes"]),
    tests("RunsTests", ["Foundations", "Runs", "ProcessGroupWorker"]),
    tests("TorchTests", ["Foundations", "Torch"]),
    tests(
      "ProcessGroupsTests", ["ProcessGroups", "Torch", "ProcessGroupWorker"]),
    tests("TextTokenizersTests", ["Foundations", "TextTokenizers"]),
    tests("ImageFilesTests", ["ImageFiles"]),
    tests("ShapeScenesTests", ["Foundations", "ShapeScenes", "ImageFiles"]),
    tests("TorchNNTests", ["Torch", "TorchNN"]),
    tests("CPUKernelsTests", ["CPUKernels", "Torch", "TorchNN"]),
    tests("FlowMatchingTests", ["Foundations", "Torch", "FlowMatching"]),
    tests(
      "DiffusionModelsTests",
      [
        "Foundations", "Torch", "TorchNN", "DiffusionModels", "TextTokenizers", "FlowMatching",
        "ImageFiles",
      ]),
    tests("TempFlowTests", ["Foundations", "TempFlow", "points"]),
    tests(
      "RewardsTests",
      [
        "Foundations", "Recipes", "Rewards", "Torch", "TorchNN", "DiffusionModels", "ImageFiles",
        "ShapeScenes",
      ]),
    tests(
      "TrainingTests",
      [
        "Foundations", "Recipes", "Training", "Runs", "Torch", "TorchNN", "FlowMatching",
        "TempFlow", "DiffusionModels", "TextTokenizers", "ImageFiles",
        "ShapeScenes", "Rewards", "ProcessGroups",
      ]),
    tests("DashboardTests", ["Foundations", "Dashboard", "Runs", "ImageFiles"]),
    tests("TempFlowCLITests", ["ImageFiles", "Runs"]),
    tests("DocumentationTests", ["Recipes", "Runs", "Training"]),
  ],
  cxxLanguageStandard: .cxx20)
