print("tempflow")
