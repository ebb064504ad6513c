/// A kind of reward whose images are scored by a service behind HTTP.
package protocol ServiceRewardFactory: RewardFactory {
  var service: ServiceSettings { get set }
}

extension ServiceRewardFactory {
  package var label: String { service.label }

  package func placed(at place: RewardPlace) throws(RewardError) -> Self {
    var placed = self
    placed.service = service.placed(at: place)
    return placed
  }

  package func remark(at place: RewardPlace) -> String? { service.remark(at: place) }
}

extension ServiceSettings {
  /// The settings of one process: its share of the requests in flight.
  ///
  /// The addresses begin with another one on each process. A process with a single request in
  /// flight sends it to the first, and the processes together reach all.
  func placed(at place: RewardPlace) -> ServiceSettings {
    var placed = self
    let share = place.share(of: concurrency)
    placed.concurrency = share.count
    if !urls.isEmpty {
      let start = share.lowerBound % urls.count
      placed.urls = Array(urls[start...] + urls[..<start])
    }
    return placed
  }

  /// A remark when the processes have more requests in flight than the recipe allows the run.
  func remark(at place: RewardPlace) -> String? {
    guard !urls.isEmpty, concurrency < place.size else { return nil }
    return "concurrency is \(concurrency), and each of the run's \(place.size) processes has one "
      + "request in flight, so there are up to \(place.size)"
  }
}
